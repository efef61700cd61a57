"""Floor 3: for eyes: plans, findings, progress and the topology."""
