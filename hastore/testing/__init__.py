"""Public: the contract suite for drivers and the hypothesis strategies."""
