"""Builds the container images that the stack runs in, gives them to the embedded node, and pushes them to a registry."""
