"""How long things have lasted, counted by this process's own steady clock: no two hosts' clocks are compared."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitsync.decide import BlockingRun

SAVED_EVERY = 30.0
"""Seconds of waiting that a restart may forget."""


@dataclass
class Patience:
    """How long runs have deferred a candidate, and how long each frozen run has been seen frozen."""

    clock: Callable[[], float] = time.monotonic
    waited: float = 0.0
    """Seconds, beyond what the record has saved."""
    _counted: float | None = None
    _frozen_since: dict[tuple[str, str], float] = field(default_factory=dict)

    def count(self, *, deferred_by_runs: bool) -> None:
        """Called at each decision; the time since the last one counts when both were deferred by runs."""
        now = self.clock()
        if deferred_by_runs and self._counted is not None:
            self.waited += now - self._counted
        self._counted = now if deferred_by_runs else None

    def start_over(self) -> None:
        self.waited, self._counted = 0.0, None

    def unsaved(self, saved: float) -> float | None:
        """What the record should say, once that is worth a write; from then on the record counts it."""
        if self.waited < SAVED_EVERY:
            return None
        total, self.waited = saved + self.waited, 0.0
        return total

    def with_runs(self, runs: tuple[BlockingRun, ...]) -> tuple[BlockingRun, ...]:
        """``runs`` with how long each frozen one has been seen so; one that moved in between starts anew."""
        now = self.clock()
        frozen = {(run.dag_id, run.run_id) for run in runs if run.frozen}
        self._frozen_since = {key: self._frozen_since.get(key, now) for key in frozen}
        return tuple(
            replace(run, frozen_for=now - self._frozen_since[run.dag_id, run.run_id]) if run.frozen else run
            for run in runs
        )
