"""A revision that has passed every check, and what it would change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.decide import Impact

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Candidate:
    revision: str
    base: str | None
    """What its impact was measured against."""
    impact: Impact = Impact()
    why: str = ""
    """What it touches, in a sentence."""
    restarts: Mapping[str, str] = field(default_factory=dict)
    """Component: why it must restart to see the new code."""
