"""Floor 2: pure decisions, from a stack and a state to findings, steps and plans."""
