"""Starts an overlay on a cluster, from nothing to a DAG that has run, and shows how to reach it (`make up`)."""
