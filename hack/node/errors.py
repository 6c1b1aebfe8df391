"""What can go wrong in a way that a person can act on."""

from __future__ import annotations


class NodeError(Exception):
    """Names the thing that failed and the cure; printed without a traceback."""
