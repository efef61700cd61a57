"""Floor 1: what the words mean, as frozen values."""
