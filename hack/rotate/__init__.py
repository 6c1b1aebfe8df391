"""Changes secrets of a running instance."""
