"""The error of all verbs."""

from __future__ import annotations


class Failure(Exception):
    """A verb cannot go on until a person acts. The message names the cure, and is printed without a traceback."""
