"""One source: fetches its ref in intervals, and checks new revisions. A revision that passes is the candidate."""

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
from gitsync.settings import ForcePush

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


class Defect(GitSyncError):
    """An exception that no module expects. The source shows it as its failure, and goes on."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"a defect in gitsync ({type(error).__name__}: {error}); the controller's log has its traceback: report it"
        )


@dataclass(frozen=True)
class Trouble:
    """The last failure, for `status`."""

    reason: str
    message: str
    at: str


@dataclass(frozen=True)
class Wanted:
    """The message from the controller's thread to the source's thread."""

    active: bool = False
    """Whether this replica leads. A standby does not talk to the Git host."""
    published: str | None = None
    """The published revision, with which a candidate is compared."""
    instead: str | None = None
    """The revision of an operator's `rollback`, which takes the ref's place."""


class Source(threading.Thread):
    """Fetches and checks in a thread of its own, so that a slow host or gate delays no other source."""

    def __init__(self, settings: SourceSettings, mirror: Mirror, admission: Admission, announcer: Announcer) -> None:
        super().__init__(name=f"source-{settings.name}", daemon=True)
        self.settings = settings
        self.mirror = mirror
        self.admission = admission
        self.fetched: str | None = None
        self.fetched_at: str | None = None
        self.candidate: Candidate | None = None
        self.refusal: Trouble | None = None
        """The reason why the fetched revision is no candidate."""
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
        """To be called from the controller's thread, at every turn."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._woken.set()

    def look_soon(self) -> None:
        """Look at the remote now. From any thread."""
        self._next_look = 0.0
        self._woken.set()

    def _judge_again(self) -> None:
        """Judge the revision again, because a refused revision may pass with other keys."""
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

    @property
    def ended(self) -> bool:
        """Whether the thread has ended although nobody asked for it. From any thread."""
        return self.ident is not None and not self._stopping and not self.is_alive()

    def stop(self) -> None:
        """End the thread after the current step. From any thread."""
        self._stopping = True
        self._woken.set()

    def _rest(self) -> float | None:
        return max(0.0, self._next_look - time.monotonic()) if self._wanted.active else None

    def _turn(self, wanted: Wanted) -> None:
        """Fetch if a look is due. Judge if the revision, or the published one, has changed."""
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
        except Exception as error:
            # Only this commit may lead to the defect, so the source must go on to fetch the next one.
            log.exception("source.defect", extra={"source": self.settings.name})
            metrics.DEFECTS.labels(self.settings.name).inc()
            self._failed(Defect(error))

    def _look(self) -> None:
        settings = self.settings
        self._schedule(settings.period)
        with metrics.FETCH_SECONDS.labels(settings.name).time():
            revision = self.admission.fetch(settings.ref)
        if self.mirror.generation != self._generation:
            # A new repository has replaced a damaged one, and may lack the published revision and the candidate.
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
            if self.settings.force_push is ForcePush.REFUSE:
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
        """Check a revision. Other threads read the result, so the field that they wait for is set last."""
        try:
            admitted = self.admission.admit(revision, wanted.published, vouched=wanted.instead is not None)
        except Refused as error:
            # An earlier candidate stays: it has passed every check, and is newer than the published revision.
            if self.candidate and (self.candidate.revision == revision or self.candidate.base != wanted.published):
                self.candidate = None
            self._announcer.refused(revision, error.reason, str(error))
            self.refusal = Trouble(error.reason, str(error), now())
        else:
            self.refusal = None
            self.candidate = admitted

    def _ensure(self, revision: str) -> None:
        """Make the published revision's tree available to members. This pod's volume may be new and empty."""
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
            # One Event for a failure, not one for each retry.
            self._announcer.failed(reason, str(error))
        self.trouble = Trouble(reason, str(error), now())

    def _schedule(self, pause: float) -> None:
        self._next_look = time.monotonic() + pause * random.uniform(1.0, 1.1)  # noqa: S311 - spreads load


def _reason(error: GitSyncError) -> str:
    """The error's reason, for Events and metrics; see `gitsync.reasons`."""
    if isinstance(error, Defect | GateError):
        return "InternalError" if isinstance(error, Defect) else "GateUnavailable"
    return error.reason if isinstance(error, RemoteError | Refused) else "FetchFailed"
