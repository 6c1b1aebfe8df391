"""Counts how long deferrals and frozen runs have lasted, by this process's monotonic clock alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitsync.rules.decide import BlockingRun

SAVED_EVERY = 30.0
"""Seconds of waiting between two writes to the record. A restart forgets at most so much."""


@dataclass
class Patience:
    """Counts how long runs have deferred a candidate, and how long each frozen run has been frozen."""

    clock: Callable[[], float] = time.monotonic
    waited: float = 0.0
    """Seconds that are not in the record yet."""
    _counted: float | None = None
    _frozen_since: dict[tuple[str, str], float] = field(default_factory=dict)

    def count(self, *, deferred_by_runs: bool) -> None:
        """To be called at each decision. The time since the last call counts if runs deferred both decisions."""
        now = self.clock()
        if deferred_by_runs and self._counted is not None:
            self.waited += now - self._counted
        self._counted = now if deferred_by_runs else None

    def start_over(self) -> None:
        self.waited, self._counted = 0.0, None

    def unsaved(self, saved: float) -> float | None:
        """The total to write into the record, which has ``saved`` seconds; None if a write is not due yet."""
        if self.waited < SAVED_EVERY:
            return None
        total, self.waited = saved + self.waited, 0.0
        return total

    def with_runs(self, runs: tuple[BlockingRun, ...]) -> tuple[BlockingRun, ...]:
        """``runs``, with the time for which each has been frozen. A run that moved in between starts at 0 again."""
        now = self.clock()
        frozen = {(run.dag_id, run.run_id) for run in runs if run.frozen}
        self._frozen_since = {key: self._frozen_since.get(key, now) for key in frozen}
        return tuple(
            replace(run, frozen_for=now - self._frozen_since[run.dag_id, run.run_id]) if run.frozen else run
            for run in runs
        )
