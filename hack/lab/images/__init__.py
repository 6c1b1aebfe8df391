"""Builds container images once, loads them into the embedded node, and pushes them to a registry."""
