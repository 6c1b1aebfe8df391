"""The error of the embedded node and its add-ons."""

from __future__ import annotations


class NodeError(Exception):
    """A step failed, and a person must act. The message names the fault and the cure, without a traceback."""
