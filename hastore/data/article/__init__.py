"""The article's cluster, as its configuration files say it."""
