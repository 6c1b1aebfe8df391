"""Publishes candidates: gathers the facts, decides, takes the hold, decides again, publishes."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gitsync.controller.ledger import FlipFailed
from gitsync.controller.patience import Patience
from gitsync.controller.record import Phase
from gitsync.errors import DatabaseError
from gitsync.rules.decide import Action, BlockingRun, Decision, Facts, Impact, decide
from gitsync.rules.policy import Policy, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitsync.controller.announce import Announcer
    from gitsync.controller.candidate import Candidate
    from gitsync.controller.fleet import Fleet, Pod
    from gitsync.controller.kube import Cluster
    from gitsync.controller.ledger import Ledger
    from gitsync.controller.record import Record
    from gitsync.metadata.barrier import Barrier
    from gitsync.metadata.database import Database
    from gitsync.rules.windows import Windows
    from gitsync.settings import LockSettings

    AskForRuns = Callable[[], tuple[BlockingRun, ...]]

log = logging.getLogger(__name__)


def _no_runs() -> tuple[BlockingRun, ...]:
    """Stands in for the question for blocking runs if no hold is taken."""
    return ()


@dataclass(kw_only=True)
class Publisher:
    """Decides on the candidates of one source. Only the controller's thread uses it, and only while it leads."""

    policy: Policy
    windows: Windows
    lock: LockSettings
    database: Database
    barrier: Barrier
    fleet: Fleet
    cluster: Cluster
    ledger: Ledger
    announcer: Announcer
    flip_retry: float = 30.0
    """Seconds until a candidate that was taken back is tried again."""
    patience: Patience = field(default_factory=Patience)
    facts: Facts = Facts(None, None)
    decision: Decision = field(init=False)
    last_hold: float | None = None
    """Duration of the last hold, in seconds."""
    _failed_flip: tuple[str, str, float] | None = None

    def __post_init__(self) -> None:
        self.decision = decide(self.facts, self.policy)

    def consider(self, candidate: Candidate | None, pods: tuple[Pod, ...]) -> bool:
        """Stage ``candidate``, decide, and publish it if the decision says so. True if it has been published."""
        if candidate is not None:
            self.fleet.direct(replace(self.fleet.directive, stage=(candidate.revision,)))
        runs = partial(self.database.blocking, self.ledger.source)
        self._decide(candidate, pods, runs)
        if self.decision.action is Action.PUBLISH:
            self._publish_under_hold(candidate)
        elif self.decision.action is Action.PUBLISH_UNHELD:
            self._publish()
        else:
            self._wait()
            return False
        # `status` must show the outcome: published, or taken back with the reason.
        self._decide(candidate, self.cluster.pods(), runs)
        return candidate is not None and self.ledger.ours.revision == candidate.revision

    def _wait(self) -> None:
        if (waited := self.patience.unsaved(self.ledger.ours.waited)) is not None:
            self.ledger.amend(waited=waited)

    def _publish_under_hold(self, candidate: Candidate | None) -> None:
        with self._held() as runs:
            # A task may have started since the first decision. Inside the hold none can, so this decision stays true.
            self._decide(candidate, self.cluster.pods(), runs)
            if self.decision.action is Action.PUBLISH:
                self._publish(confirm=runs)
        self._let_unused_go()

    def _publish(self, confirm: AskForRuns = _no_runs) -> None:
        candidate = self.facts.candidate or ""
        waited_for = [member.name for member in self.facts.members if not member.fenced]
        try:
            self.ledger.publish(candidate, waited_for, confirm)
        except FlipFailed as error:
            self._failed_flip = (candidate, str(error), time.monotonic() + self.flip_retry)
        else:
            self.patience.start_over()
            self._wait_until_serialized()

    def _wait_until_serialized(self) -> None:
        """Wait at the barrier, for a bundle without versions; see `gitsync.metadata.barrier`."""
        flips = self.fleet.flipped_at(self.cluster.pods(), "dag-processor")
        if self.policy.versioned or self.ledger.ours.previous is None or not flips:
            return
        flipped_at = max(map(datetime.fromisoformat, flips))
        limit = self.lock.serialize_within
        try:
            files = self.facts.impact.touched
            left = self.barrier.wait_serialized(files, flipped_at=flipped_at, limit=limit)
        except DatabaseError as error:
            self.announcer.unserialized(str(error))
        else:
            if left:
                self.announcer.unserialized(f"not within {limit:g} s: {', '.join(sorted(left)[:3])}")

    def _let_unused_go(self) -> None:
        """Let members remove trees that no run needs. The previous one stays, as a callback may come after its run."""
        record = self.ledger.ours
        used = self.database.revisions_in_use(self.ledger.source)
        kept = used | {revision for revision in (record.revision, record.previous) if revision}
        self.fleet.direct(replace(self.fleet.directive, keep=tuple(sorted(kept))))

    def recover(self, pods: tuple[Pod, ...], *, patience_over: bool) -> bool:
        """Finish or undo a publication that was interrupted after its commit. False: not yet possible.

        Some members may have flipped and others not. So members get no directive until every pod that runs Airflow has
        reported, or until ``patience_over``.
        """
        record = self.ledger.ours
        if record.phase is Phase.PUBLISHED:
            return True
        members = [member for member in self.fleet.members(pods, record.revision) if not member.fenced]
        if not patience_over and (silent := [member.name for member in members if member.silent]):
            why = f"an interrupted publication is finished once all pods have reported; missing: {', '.join(silent)}"
            self.facts = replace(self.facts, interrupted=why)
            self.decision = decide(self.facts, self.policy)
            return False
        names = [member.name for member in members]
        log.info("resumed", extra={"source": self.ledger.source, "epoch": record.epoch, "revision": record.revision})
        if record.phase is Phase.UNDOING:
            self.ledger.finish_undoing(names)
        else:
            self._finish_or_undo(names)
        return True

    def _finish_or_undo(self, members: list[str]) -> None:
        with nullcontext(_no_runs) if self.policy.scope is Scope.OFF else self._held() as runs:
            # No task has started on the committed revision yet, so every active run began on the previous one.
            if self.ledger.ours.previous is not None and runs():
                self.ledger.undo(members, "the controller was interrupted, and runs are active")
            else:
                self.ledger.finish(members, confirm=runs)

    def _decide(self, candidate: Candidate | None, pods: tuple[Pod, ...], runs: AskForRuns) -> None:
        self.facts = self._gather(candidate, pods, runs)
        self.decision = decide(self.facts, self.policy)
        self.patience.count(deferred_by_runs=bool(self.decision.blocking))
        self.announcer.decided(self.decision, self.facts)

    def _gather(self, candidate: Candidate | None, pods: tuple[Pod, ...], runs: AskForRuns) -> Facts:
        facts = self._without_runs(candidate, self.ledger.ours)
        facts = replace(facts, members=self.fleet.members(pods, facts.candidate))
        if facts.candidate in (None, facts.published) or self.policy.scope is Scope.OFF:
            return facts
        return self._with_runs(facts, runs)

    def facts_for(self, candidate: Candidate, record: Record) -> Facts:
        """The current facts for any revision, as if it were the candidate. From any thread."""
        return self._with_runs(
            self._without_runs(candidate, record), partial(self.database.blocking, self.ledger.source)
        )

    def _without_runs(self, candidate: Candidate | None, record: Record) -> Facts:
        wanted = candidate.revision if candidate else None
        # An impact is valid only in comparison with the published revision; else every DAG file counts as touched.
        measured = candidate is not None and candidate.base == record.revision
        return Facts(
            wanted,
            record.revision,
            impact=candidate.impact if candidate is not None and measured else Impact(),
            waited=record.waited + self.patience.waited,
            closed=self.windows.closed(datetime.now(UTC)),
            suspended=record.orders.against(wanted),
            ordered=record.orders.demanded_by(wanted),
            obstacle=self._backing_off(wanted),
        )

    def _with_runs(self, facts: Facts, runs: AskForRuns) -> Facts:
        try:
            return replace(facts, runs=self.patience.with_runs(runs()))
        except DatabaseError as error:
            return replace(facts, obstacle=str(error))

    def _backing_off(self, candidate: str | None) -> str | None:
        if self._failed_flip is None:
            return None
        failed, why, until = self._failed_flip
        if failed != candidate or time.monotonic() > until:
            return None
        return f"taken back because {why}; it is tried again within {self.flip_retry:.0f} s"

    @contextmanager
    def _held(self) -> Iterator[AskForRuns]:
        """Hold the scheduler's lock inside the block. Yields a function that asks for the blocking runs."""
        began = None
        try:
            with self.database.hold(wait=self.lock.wait, limit=self.lock.limit) as hold:
                began = time.monotonic()
                yield partial(hold.blocking, self.ledger.source)
        finally:
            if began is not None:
                self.last_hold = time.monotonic() - began
                self.announcer.held(self.last_hold)
