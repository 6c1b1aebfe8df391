"""From candidate to published: gather the facts, decide, take the hold, decide again, publish."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gitsync.controller.ledger import FlipFailed
from gitsync.controller.record import Phase
from gitsync.decide import Action, BlockingRun, Decision, Facts, Member, Scope, decide
from gitsync.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitsync.controller.announce import Announcer
    from gitsync.controller.fleet import Fleet, Pod
    from gitsync.controller.kube import Cluster
    from gitsync.controller.ledger import Ledger
    from gitsync.controller.runs import Database
    from gitsync.settings import LockSettings

    AskForRuns = Callable[[], tuple[BlockingRun, ...]]

log = logging.getLogger(__name__)

FLIP_RETRY_SECONDS = 30.0


class Publisher:
    """Decides on one source's candidates. Used by the controller's thread only, and only while it leads."""

    def __init__(
        self,
        lock: LockSettings,
        *,
        database: Database,
        fleet: Fleet,
        cluster: Cluster,
        ledger: Ledger,
        announcer: Announcer,
    ) -> None:
        self._lock = lock
        self._database = database
        self._fleet = fleet
        self._cluster = cluster
        self._ledger = ledger
        self._announcer = announcer
        self._failed_flip: tuple[str, str, float] | None = None
        self.facts = Facts(None, None)
        self.decision = Decision(Action.KEEP, "nothing fetched yet")
        self.last_hold: float | None = None
        """Seconds."""

    def consider(self, candidate: str | None) -> None:
        """Have ``candidate`` staged, decide, and act on it."""
        pods = self._cluster.pods()
        self._fleet.forget_absent(pods)
        if candidate is not None:
            self._fleet.direct(replace(self._fleet.directive, stage=(candidate,)))
        runs = partial(self._database.blocking, self._ledger.source)
        self._decide(candidate, pods, runs)
        if self.decision.action is Action.PUBLISH:
            self._publish_under_hold(candidate)
        elif self.decision.action is Action.PUBLISH_UNHELD:
            self._publish()
        else:
            return
        # What is true now, for `status`: published, or taken back and why.
        self._decide(candidate, self._cluster.pods(), runs)

    def _publish_under_hold(self, candidate: str | None) -> None:
        with self._held() as runs:
            # Decided again where no task can start: this closes the gap between check and flip.
            self._decide(candidate, self._cluster.pods(), runs)
            if self.decision.action is Action.PUBLISH:
                self._publish()
        self._let_unused_go()

    def _publish(self) -> None:
        candidate = self.facts.candidate or ""
        try:
            self._ledger.publish(candidate, [member.name for member in self.facts.members])
        except FlipFailed as error:
            self._failed_flip = (candidate, str(error), time.monotonic() + FLIP_RETRY_SECONDS)

    def _let_unused_go(self) -> None:
        """Tell members which revisions runs still need; a callback may come after its run, so the previous one too."""
        record = self._ledger.ours
        used = self._database.revisions_in_use(self._ledger.source)
        kept = used | {revision for revision in (record.revision, record.previous) if revision}
        self._fleet.direct(replace(self._fleet.directive, keep=tuple(sorted(kept))))

    def recover(self, *, patience_over: bool) -> bool:
        """Finish or undo what a controller left between its commit and the last flip; False: not yet possible.

        Some members may have flipped and others not, so nobody is told anything until every pod that runs Airflow
        has reported, or ``patience_over``.
        """
        record = self._ledger.ours
        if record.phase is Phase.PUBLISHED:
            return True
        members = self._fleet.members(self._cluster.pods(), record.revision)
        if not patience_over and (silent := [member.name for member in members if member.silent]):
            why = f"an interrupted publication is finished once all pods have reported; missing: {', '.join(silent)}"
            self.decision = Decision(Action.DEFER, why)
            return False
        with nullcontext(lambda: ()) if self._lock.scope is Scope.OFF else self._held() as runs:
            self._finish_or_undo(members, runs)
        return True

    def _finish_or_undo(self, members: tuple[Member, ...], runs: AskForRuns) -> None:
        record, names = self._ledger.ours, [member.name for member in members]
        flipped = any(member.current == record.revision for member in members)
        # Where no member has flipped, the committed revision is still nobody's, and runs may go on with the old one.
        if record.previous is None or flipped or not runs():
            log.info("resumed", extra={"epoch": record.epoch, "revision": record.revision})
            self._ledger.finish(names)
        else:
            self._ledger.undo(names, "the controller was interrupted, and runs are active")

    def _decide(self, candidate: str | None, pods: tuple[Pod, ...], runs: AskForRuns) -> None:
        self.facts = self._gather(candidate, pods, runs)
        self.decision = decide(self.facts, self._lock.scope)
        self._announcer.decided(self.decision, self.facts)

    def _gather(self, candidate: str | None, pods: tuple[Pod, ...], runs: AskForRuns) -> Facts:
        published = self._ledger.ours.revision
        facts = Facts(candidate, published, self._fleet.members(pods, candidate), obstacle=self._backing_off(candidate))
        if candidate in (None, published) or self._lock.scope is Scope.OFF:
            return facts
        try:
            # Before the first migration there is no table to ask, and no scheduler that could start a task.
            return replace(facts, runs=runs() if self._database.exists() else ())
        except DatabaseError as error:
            return replace(facts, obstacle=str(error))

    def _backing_off(self, candidate: str | None) -> str | None:
        if self._failed_flip is None:
            return None
        failed, why, until = self._failed_flip
        if failed != candidate or time.monotonic() > until:
            return None
        return f"taken back because {why}; it is tried again within {FLIP_RETRY_SECONDS:.0f} s"

    @contextmanager
    def _held(self) -> Iterator[AskForRuns]:
        """No scheduler starts a task inside; yields the question for blocking runs, asked anew at each call."""
        began = None
        try:
            with self._database.hold(wait=self._lock.wait, limit=self._lock.limit) as hold:
                began = time.monotonic()
                yield partial(hold.blocking, self._ledger.source)
        finally:
            if began is not None:
                self.last_hold = time.monotonic() - began
                self._announcer.held(self.last_hold)
