"""Files that ship with hastore: the article's cluster."""
