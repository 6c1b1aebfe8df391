"""Announces what happens to a source: one log line, Event, notice and metric for each occurrence."""

from __future__ import annotations

import logging
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gitsync import metrics
from gitsync.airflow.plain import printable
from gitsync.controller.deferrals import Deferrals
from gitsync.notify.notice import Kind, Notice
from gitsync.revision import short
from gitsync.rules.decide import Action, Condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitsync.controller.record import Record
    from gitsync.rules.decide import Decision, Facts

log = logging.getLogger(__name__)

STATES = {
    Condition.FENCED: "fenced",
    Condition.SILENT: "silent",
    Condition.FAILING: "reporting",
    Condition.REPORTING: "reporting",
}
"""Each condition's label in the metric of members. A member that reports an error counts as reporting."""
REPEAT_SECONDS = 60.0
"""Shortest time between two Events for one deferral. A second Event names other runs that block now."""


def now() -> str:
    """The current time, ISO 8601. For people only; nothing is decided by it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _nobody(_notice: Notice) -> None:
    """Drop the notice, because no receiver is configured."""


class Announcer:
    """Announces for one source. ``event`` makes a Kubernetes Event, ``tell`` sends a notice to the receivers."""

    def __init__(self, source: str, event: Callable[..., None], tell: Callable[[Notice], None] = _nobody) -> None:
        self._source = source
        self._make_event = event
        self._tell = tell
        self._said: tuple[Action, str | None, bool] | None = None
        self._named: frozenset[tuple[str, str]] = frozenset()
        self._named_at = 0.0
        self._deferred_from: float | None = None
        self.deferred_since: str | None = None
        self.deferrals = Deferrals(source)

    def decided(self, decision: Decision, facts: Facts) -> None:
        deferred = decision.action is Action.DEFER
        self.deferrals.note(decision, facts)
        if not deferred:
            self._deferred_from = self.deferred_since = None
        elif self._deferred_from is None:
            self._deferred_from, self.deferred_since = time.monotonic(), now()
        waited = time.monotonic() - self._deferred_from if self._deferred_from else 0.0
        metrics.BLOCKING_RUNS.labels(self._source).set(len(decision.blocking))
        metrics.DEFERRED_SECONDS.labels(self._source).set(waited)
        states = Counter(STATES[member.condition] for member in facts.members)
        for state in {*STATES.values()}:
            metrics.MEMBERS.labels(self._source, state).set(states[state])
        said = (decision.action, facts.candidate, decision.passing)
        if deferred and (said != self._said or self._named_have_ended(decision)):
            self._deferred(decision, facts.candidate)
        self._said = said

    def _named_have_ended(self, decision: Decision) -> bool:
        """Whether none of the runs in the last Event still blocks, but others do."""
        others = bool(decision.blocking) and self._named.isdisjoint(_runs(decision))
        return others and time.monotonic() - self._named_at >= REPEAT_SECONDS

    def _deferred(self, decision: Decision, candidate: str | None) -> None:
        self._named, self._named_at = _runs(decision), time.monotonic()
        log.info("deferred", extra={"source": self._source, "revision": candidate, "reason": decision.reason})
        if decision.passing:
            return
        self._event("Deferred", f"{self._source} {short(candidate)}: {decision.reason}")
        runs = tuple(printable(f"{run.dag_id} {run.run_id}") for run in decision.blocking)
        self._notice(Kind.DEFERRED, candidate, decision.reason, runs=runs)

    def _event(self, reason: str, message: str, **more: bool) -> None:
        self._make_event(reason, printable(message), **more)

    def _notice(
        self,
        kind: Kind,
        revision: str | None,
        message: str = "",
        **more: Any,  # noqa: ANN401 - fields of Notice
    ) -> None:
        self._tell(Notice(kind=kind, source=self._source, revision=revision, message=printable(message), **more))

    def published(self, record: Record) -> None:
        metrics.PUBLICATIONS.labels(self._source, "published").inc()
        metrics.PUBLISHED_AT.labels(self._source).set_to_current_time()
        metrics.EPOCH.labels(self._source).set(record.epoch)
        log.info("published", extra={"source": self._source, "revision": record.revision, "epoch": record.epoch})
        self._event("Published", f"{self._source} {short(record.revision)} is epoch {record.epoch} on every pod")
        self._notice(Kind.PUBLISHED, record.revision, epoch=record.epoch)

    def undone(self, record: Record, why: str) -> None:
        metrics.PUBLICATIONS.labels(self._source, "undone").inc()
        fields = {"source": self._source, "revision": record.revision, "back_to": record.previous, "why": why}
        log.error("undone", extra=fields)
        message = f"{self._source} {short(record.revision)} was taken back to {short(record.previous)}: {why}"
        self._event("FlipFailed", message, warning=True)
        self._notice(Kind.UNDONE, record.revision, why, epoch=record.epoch)

    def refused(self, revision: str, reason: str, why: str) -> None:
        metrics.REFUSALS.labels(self._source, reason).inc()
        log.warning("refused", extra={"source": self._source, "revision": revision, "reason": reason, "why": why})
        self._event(reason, f"{self._source}: {why}", warning=True)
        self._notice(Kind.REFUSED, revision, why, reason=reason)

    def superseded(self, revision: str, by: str) -> None:
        log.info("superseded", extra={"source": self._source, "revision": revision, "by": by})
        self._notice(Kind.SUPERSEDED, revision, f"by {short(by)}")

    def failed(self, reason: str, why: str) -> None:
        log.warning("fetch.failed", extra={"source": self._source, "reason": reason, "error": why})
        self._event(reason, f"{self._source}: {why}", warning=True)
        self._notice(Kind.FAILED, None, why, reason=reason)

    def recovered(self) -> None:
        self._notice(Kind.RECOVERED, None)

    def rewritten(self, what: str) -> None:
        log.warning("rewritten", extra={"source": self._source, "what": what})
        self._event("ForcePushed", f"{self._source}: {what}", warning=True)

    def ordered(self, verb: str, who: str, argument: str | None) -> None:
        log.info("ordered", extra={"source": self._source, "verb": verb, "who": who, "argument": argument})
        self._event("Ordered", f"{self._source}: {verb} {argument or ''} by {who}")

    def unserialized(self, why: str) -> None:
        metrics.UNSERIALIZED.labels(self._source).inc()
        log.warning("unserialized", extra={"source": self._source, "why": why})
        self._event(
            "NotSerialized", f"{self._source}: Airflow still has the old structure of DAGs: {why}", warning=True
        )

    def held(self, seconds: float) -> None:
        metrics.HOLD_SECONDS.labels(self._source).observe(seconds)


def _runs(decision: Decision) -> frozenset[tuple[str, str]]:
    return frozenset((run.dag_id, run.run_id) for run in decision.blocking)
