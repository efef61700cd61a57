"""Floor 3: which commands do it on this host; one file a driver."""
