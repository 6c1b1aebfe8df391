"""A candidate: a revision that has passed every check, with its impact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.rules.decide import Impact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitsync.impact.way import Leg


@dataclass(frozen=True)
class Candidate:
    revision: str
    base: str | None
    """The revision with which it was compared."""
    impact: Impact = Impact()
    why: str = ""
    """The number of touched DAG files and the causes, in a sentence."""
    restarts: Mapping[str, str] = field(default_factory=dict)
    """The components that must restart to see the new code, each with the reason."""
    opaque: Mapping[str, str] = field(default_factory=dict)
    """Files that the analysis could not read within its limits, each with the reason."""
    ways: Mapping[str, tuple[Leg, ...]] = field(default_factory=dict)
    """The way from a touched DAG file to what has changed; see `gitsync.impact.touched.Touched`."""
