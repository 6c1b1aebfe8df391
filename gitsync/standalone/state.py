"""What probes and metrics show of a loop: written by it, read by the server's threads."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field

from gitsync.errors import GitSyncError, Refused


@dataclass
class Tally:
    count: int = 0
    seconds: float = 0.0


@dataclass
class State:
    revision: str | None = None
    """The last that this process has seen published."""
    error: GitSyncError | None = None
    """Why the last sync did not publish what the ref is."""
    failures: int = 0
    """Consecutive ones; a refusal is an answer and none of them."""
    settled: bool = False
    """Whether the ref is a commit that is published: nothing more will be looked for."""
    beat: float = field(default_factory=time.monotonic)
    """When the last sync ended."""
    syncs: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    """Those that ended in ``success`` (readers see something new), ``noop``, ``error``, ``refused``."""

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
