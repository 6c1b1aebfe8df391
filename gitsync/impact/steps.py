"""The steps of an analysis. Each is announced before it begins, because a limit may end the process in it."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Step(StrEnum):
    """A part of the work whose cost depends on the content of a commit."""

    POLICY = "the check of its file names and links"
    RULES = "reading .gitsync.yaml"
    RULES_BEFORE = "reading the published .gitsync.yaml"
    LINKS = "following its symbolic links"
    FILE = "reading a file"
    PATTERNS = "comparing file names with .airflowignore"
    COMPARISON = "finding the files that use what has changed"


class Announce(Protocol):
    """Takes the step that begins now."""

    def __call__(self, step: Step, path: str = "", blob: str = "") -> None:
        """``path`` and ``blob`` name the file of ``Step.FILE``."""


def silently(step: Step, path: str = "", blob: str = "") -> None:
    """Announce to nobody."""
