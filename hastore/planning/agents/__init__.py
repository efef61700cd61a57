"""One table for each family of resource agents, read both ways."""
