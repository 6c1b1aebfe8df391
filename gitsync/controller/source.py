"""One repository and ref: looked at now and then, and the candidate that was found there."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsync import metrics
from gitsync.controller.announce import now
from gitsync.errors import GitSyncError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitsync.git.mirror import Mirror
    from gitsync.settings import SourceSettings

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 300.0


@dataclass(frozen=True)
class Trouble:
    """The last thing that went wrong, for `status`."""

    reason: str
    message: str
    at: str


class Source:
    """Fetches; never publishes."""

    def __init__(self, settings: SourceSettings, mirror: Mirror, event: Callable[..., None]) -> None:
        self.settings = settings
        self.mirror = mirror
        self.candidate: str | None = None
        self.fetched_at: str | None = None
        self.trouble: Trouble | None = None
        self._event = event
        self._failures = 0
        self._next_look = 0.0

    @property
    def rest(self) -> float:
        """Seconds until the remote should be looked at again."""
        return max(0.0, self._next_look - time.monotonic())

    def look_soon(self) -> None:
        self._next_look = 0.0

    def look_if_due(self) -> None:
        if self.rest > 0:
            return
        try:
            with metrics.FETCH_SECONDS.labels(self.settings.name).time():
                revision = self._fetch()
        except GitSyncError as error:
            self._failed(error)
        else:
            self._succeeded(revision)
        self._next_look = time.monotonic() + self._pause() * random.uniform(1.0, 1.1)  # noqa: S311 - spreads load

    def _pause(self) -> float:
        if not self._failures:
            return self.settings.period
        longest = max(self.settings.period, LONGEST_RETRY_SECONDS)
        return min(FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 16), longest)

    def _fetch(self) -> str:
        settings = self.settings
        revision = self.mirror.fetch(settings.credentials.remote(settings.repo), settings.ref)
        self.mirror.export(revision, settings.repo, settings.credentials.remote)
        self.mirror.require_directory(revision, settings.subdirectory)
        return revision

    def ensure(self, revision: str) -> None:
        """Have a revision that was published before, though this volume may be new."""
        if not self.mirror.has(revision):
            self.mirror.fetch(self.settings.credentials.remote(self.settings.repo), revision)
        self.mirror.export(revision, self.settings.repo, self.settings.credentials.remote)

    def _succeeded(self, revision: str) -> None:
        metrics.FETCHES.labels(self.settings.name, "success").inc()
        metrics.FETCHED_AT.labels(self.settings.name).set_to_current_time()
        self.fetched_at = now()
        if self.trouble is not None:
            log.info("fetch.recovered", extra={"source": self.settings.name, "after_failures": self._failures})
        self._failures, self.trouble = 0, None
        if revision != self.candidate:
            log.info("fetched", extra={"source": self.settings.name, "revision": revision})
        self.candidate = revision

    def _failed(self, error: GitSyncError) -> None:
        self._failures += 1
        metrics.FETCHES.labels(self.settings.name, "error").inc()
        reason = error.reason if isinstance(error, RemoteError) else "FetchFailed"
        if self.trouble is None or self.trouble.message != str(error):
            # Said once, not at every retry.
            log.warning("fetch.failed", extra={"source": self.settings.name, "reason": reason, "error": str(error)})
            self._event(reason, str(error), warning=True)
        self.trouble = Trouble(reason, str(error), now())
