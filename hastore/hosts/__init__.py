"""Floor 2: how an operation reaches a host."""
