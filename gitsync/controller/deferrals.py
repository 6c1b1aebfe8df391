"""Counts the candidates that were deferred, by the thing they waited for and the number of DAG files they touched."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from gitsync import metrics
from gitsync.rules.decide import Action

if TYPE_CHECKING:
    from gitsync.rules.decide import Cause, Decision, Facts, Impact

_SIZES = ((0, "none"), (1, "1"), (9, "2-9"), (99, "10-99"))
_ALL = "all"


class Kind(NamedTuple):
    """Deferred candidates that are counted together."""

    cause: Cause
    touched: str
    """How many DAG files they touched: ``none``, ``1``, ``2-9``, ``10-99``, ``100 or more`` or ``all``."""


class Deferrals:
    """The deferred candidates of one source since the start of this controller. Each counts once for each cause."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._candidate: str | None = None
        self._noted: set[Cause] = set()
        self.counts: Counter[Kind] = Counter()

    def note(self, decision: Decision, facts: Facts) -> None:
        """Count the deferral of a candidate, if it is none that every publication passes through."""
        if facts.candidate != self._candidate:
            self._candidate, self._noted = facts.candidate, set()
        if decision.action is not Action.DEFER or decision.passing or decision.cause in self._noted:
            return
        self._noted.add(decision.cause)
        kind = Kind(decision.cause, _touched(facts.impact))
        self.counts[kind] += 1
        metrics.DEFERRALS.labels(self._source, *kind).inc()

    def told(self) -> list[str]:
        """A line for each kind, the most frequent first: ``3 for runs, which touched 2-9 DAG files``."""
        return [
            f"{count} for {kind.cause}, which touched {kind.touched} DAG files"
            for kind, count in self.counts.most_common()
        ]


def _touched(impact: Impact) -> str:
    if impact.touched is None:
        return _ALL
    return next((name for most, name in _SIZES if len(impact.touched) <= most), "100 or more")
