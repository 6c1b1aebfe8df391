"""Brings an overlay up on a cluster, and shows how to reach it."""
