"""One repository and ref: looked at now and then, and the candidate that was found there."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsync import metrics
from gitsync.controller.announce import now
from gitsync.controller.watch import Watch
from gitsync.errors import GateError, GitSyncError, Refused, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitsync.controller.admission import Admission
    from gitsync.controller.announce import Announcer
    from gitsync.controller.candidate import Candidate
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


@dataclass(frozen=True)
class Wanted:
    """What the controller's thread tells the source's."""

    active: bool = False
    """We lead; a standby asks the Git host nothing."""
    published: str | None = None
    """What a candidate is compared with."""
    instead: str | None = None
    """A revision that an operator has ordered in place of what the ref says."""


class Source(threading.Thread):
    """Fetches and admits in a thread of its own: a slow host or gate delays no other source. Never publishes."""

    def __init__(self, settings: SourceSettings, mirror: Mirror, admission: Admission, announcer: Announcer) -> None:
        super().__init__(name=f"source-{settings.name}", daemon=True)
        self.settings = settings
        self.mirror = mirror
        self.admission = admission
        self.fetched: str | None = None
        self.fetched_at: str | None = None
        self.candidate: Candidate | None = None
        self.refusal: Trouble | None = None
        """Why the fetched revision is no candidate."""
        self.trouble: Trouble | None = None
        self._announcer = announcer
        self._wanted = Wanted()
        self._judged: tuple[str, str | None, str | None] | None = None
        self._ensured: str | None = None
        self._generation = mirror.generation
        self._failures = 0
        self._next_look = 0.0
        self._woken = threading.Event()
        self._stopping = False
        self.on_judged: Callable[[], object] = lambda: None
        """Called after each judgement, from this thread."""

    def want(self, wanted: Wanted) -> None:
        """From the controller's thread, at every tick."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._woken.set()

    def look_soon(self) -> None:
        """Look at the remote now; from any thread."""
        self._next_look = 0.0
        self._woken.set()

    def _judge_again(self) -> None:
        """What was refused may pass with other keys."""
        self._judged = None
        self.look_soon()

    def run(self) -> None:
        mounted = (*self.settings.credentials.files(), *self.settings.signatures.files())
        watch = Watch(mounted, self._judge_again)
        watch.start()
        while not self._stopping:
            self._woken.wait(self._rest())
            self._woken.clear()
            wanted = self._wanted
            if wanted.active and not self._stopping:
                self._turn(wanted)
        watch.stop()

    def stop(self) -> None:
        """End after what is under way; from any thread."""
        self._stopping = True
        self._woken.set()

    def _rest(self) -> float | None:
        return max(0.0, self._next_look - time.monotonic()) if self._wanted.active else None

    def _turn(self, wanted: Wanted) -> None:
        """Fetch when it is time; judge when the revision, or what it is compared with, is another."""
        try:
            if wanted.published is not None:
                self._ensure(wanted.published)
            if self._next_look <= time.monotonic():
                self._look()
            revision = wanted.instead or self.fetched
            if revision is not None and self._judged != (revision, wanted.published, wanted.instead):
                self._judge(revision, wanted)
        except GitSyncError as error:
            self._failed(error)

    def _look(self) -> None:
        settings = self.settings
        self._schedule(settings.period)
        with metrics.FETCH_SECONDS.labels(settings.name).time():
            revision = self.admission.fetch(settings.ref)
        if self.mirror.generation != self._generation:
            # The repository is another one: what is published, and the candidate, are to be had again.
            self._generation, self._ensured, self._judged = self.mirror.generation, None, None
        metrics.FETCHES.labels(settings.name, "success").inc()
        metrics.FETCHED_AT.labels(settings.name).set_to_current_time()
        self.fetched_at = now()
        if self.trouble is not None:
            log.info("fetch.recovered", extra={"source": settings.name, "after_failures": self._failures})
            self._announcer.recovered()
        self._failures, self.trouble = 0, None
        if revision != self.fetched:
            self._found(revision)

    def _found(self, revision: str) -> None:
        log.info("fetched", extra={"source": self.settings.name, "revision": revision})
        before = self.fetched or self._wanted.published
        if before is not None and self.mirror.descends(revision, before) is False:
            what = f"{self.settings.ref} was rewritten: {revision[:12]} does not descend from {before[:12]}"
            if self.settings.force_push == "refuse":
                raise Refused("ForcePushRefused", f"{what}; push a descendant, or set `force_push: allow`")
            self._announcer.rewritten(what)
        self.fetched = revision

    def _judge(self, revision: str, wanted: Wanted) -> None:
        before = self.candidate
        if revision == wanted.published:
            self.candidate, self.refusal = None, None
        else:
            self._admit(revision, wanted)
        if before is not None and before.revision not in (revision, wanted.published) and self.candidate is not before:
            self._announcer.superseded(before.revision, by=revision)
        self._judged = (revision, wanted.published, wanted.instead)
        self.on_judged()

    def _admit(self, revision: str, wanted: Wanted) -> None:
        """What other threads wait for is set last: who sees a candidate or a refusal sees all that belongs to it."""
        try:
            admitted = self.admission.admit(revision, wanted.published, vouched=wanted.instead is not None)
        except Refused as error:
            # An earlier candidate is still better than what is published.
            if self.candidate and (self.candidate.revision == revision or self.candidate.base != wanted.published):
                self.candidate = None
            self._announcer.refused(revision, error.reason, str(error))
            self.refusal = Trouble(error.reason, str(error), now())
        else:
            self.refusal = None
            self.candidate = admitted

    def _ensure(self, revision: str) -> None:
        """Have a revision that was published before, though this volume may be new."""
        if revision != self._ensured:
            self.admission.have(revision)
            self._ensured = revision

    def _failed(self, error: GitSyncError) -> None:
        self._failures += 1
        longest = max(self.settings.period, LONGEST_RETRY_SECONDS)
        self._schedule(min(FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 16), longest))
        metrics.FETCHES.labels(self.settings.name, "error").inc()
        reason = _reason(error)
        if self.trouble is None or self.trouble.message != str(error):
            # Said once, not at every retry.
            self._announcer.failed(reason, str(error))
        self.trouble = Trouble(reason, str(error), now())

    def _schedule(self, pause: float) -> None:
        self._next_look = time.monotonic() + pause * random.uniform(1.0, 1.1)  # noqa: S311 - spreads load


def _reason(error: GitSyncError) -> str:
    """A CamelCase word for Events and metrics."""
    if isinstance(error, RemoteError | Refused):
        return error.reason
    return "GateUnavailable" if isinstance(error, GateError) else "FetchFailed"
