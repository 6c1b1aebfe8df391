"""The state of the loop, for probes and metrics. The loop writes it, and the server's threads read it."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError, Refused

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Tally:
    """The number of syncs with one outcome, and their total duration."""

    count: int = 0
    seconds: float = 0.0


@dataclass
class State:
    """The outcome of the syncs so far."""

    revision: str | None = None
    """The revision of this process's last successful sync."""
    error: GitSyncError | None = None
    """The error of the last sync; None after a success."""
    failures: int = 0
    """Consecutive failures. A refusal is no failure."""
    settled: bool = False
    """Whether the ref is a commit id that is published, so that the loop has nothing more to do."""
    beat: float = field(default_factory=time.monotonic)
    """The end of the last sync, on the monotonic clock."""
    unremoved: Callable[[], int] = lambda: 0
    """The number of times that an old tree or a leftover could not be removed."""
    syncs: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    """Syncs by outcome: ``success`` (something changed), ``noop``, ``error``, ``refused``."""

    @property
    def refused(self) -> bool:
        return isinstance(self.error, Refused)

    def succeeded(self, revision: str, seconds: float, *, changed: bool) -> None:
        self.revision, self.error, self.failures = revision, None, 0
        self._count("success" if changed else "noop", seconds)

    def failed(self, error: GitSyncError, seconds: float) -> None:
        self.error = error
        self.failures += not self.refused
        self._count("refused" if self.refused else "error", seconds)

    def _count(self, outcome: str, seconds: float) -> None:
        self.beat = time.monotonic()
        tally = self.syncs[outcome]
        tally.count += 1
        tally.seconds += seconds
