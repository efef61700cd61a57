"""Floor 3: hosts that behave: a simulated world behind the same door."""
