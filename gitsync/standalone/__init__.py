"""Without a cluster: straight from Git to a directory."""
