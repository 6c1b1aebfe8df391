"""The controller: the one process that fetches, decides and publishes."""
