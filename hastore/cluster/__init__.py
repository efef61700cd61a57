"""Floor 5: what a user holds in the hand."""
