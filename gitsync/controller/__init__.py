"""The one process that fetches, decides and publishes."""
