"""The id of a commit: its form, and its short form for people."""

from __future__ import annotations

import re

REVISION = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
"""A full commit id, SHA-1 or SHA-256."""


def short(revision: str | None) -> str:
    """The first 12 digits of a commit id, for people; ``nothing`` for None."""
    return (revision or "nothing")[:12]
