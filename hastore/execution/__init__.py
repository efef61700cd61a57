"""Floor 4: the only place where things happen."""
