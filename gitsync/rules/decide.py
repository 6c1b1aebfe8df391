"""The decision on a candidate: facts in, an action and its reason in one sentence out.

The law, in the order of precedence. The first line that holds decides:

    an earlier publication was interrupted              defer until every pod has reported
    there is no candidate, or it is published           keep
    suspended, and this candidate is not ordered        defer
    nothing was ever published, no pod has a tree       publish, without the hold
    a fact cannot be read, or another obstacle          defer, also against an operator's order
    a member is silent and not fenced                   the same
    a member has not staged the candidate               the same
    scope: off                                          publish, without the hold
    an operator has ordered this candidate              publish
    no window is open                                   defer
    no run blocks (see `blocks`)                        publish
    runs have deferred for less than max_defer          defer
    at_deadline: wait                                   defer
    at_deadline: pin, and a run cannot be pinned        defer
    at_deadline: pin, or publish                        publish
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from fnmatch import fnmatchcase

from gitsync.rules.policy import AtDeadline, Backfills, Policy, Scope


class Action(Enum):
    KEEP = "keep"
    """There is nothing to publish."""
    DEFER = "defer"
    """The candidate must wait."""
    PUBLISH = "publish"
    """Take the hold, decide again, and publish."""
    PUBLISH_UNHELD = "publish-unheld"
    """Publish without the hold: no task can meet two revisions, or the policy has turned the lock off."""


@dataclass(frozen=True, order=True)
class BlockingRun:
    """A DAG run that an update could split over two revisions."""

    dag_id: str
    run_id: str
    state: str
    """Airflow's state of the run: ``queued`` or ``running``."""
    since: str | None
    """The run's start, ISO 8601 by the database's clock. For people only; never compared."""
    revision: str | None
    """The revision that Airflow has recorded on the run."""
    reason: str
    """The run's activity in a few words, such as ``task instance: 1 running``."""
    frozen: bool
    """Whether the run is frozen: its DAG is paused or gone, and none of its tasks executes."""
    file: str | None = None
    """The run's DAG file, relative to the DAG folder; None: not known."""
    backfill: bool = False
    frozen_for: float = 0.0
    """Seconds since this controller first saw the run frozen."""


class Cause(StrEnum):
    """The thing that a deferral waits for."""

    RUNS = "runs"
    MEMBERS = "members"
    WINDOW = "window"
    ORDER = "order"
    """An operator has suspended updates, or named another revision."""
    OBSTACLE = "obstacle"
    """Most often a fact that cannot be read, or an interrupted publication."""


class Condition(StrEnum):
    """The health of a member. The first that holds counts."""

    FENCED = "fenced"
    """Silent for a long time and not ready. Publications no longer wait for the member."""
    SILENT = "silent"
    """The pod runs Airflow, and its sidecar has not reported for too long."""
    FAILING = "failing"
    """The last report has an error."""
    REPORTING = "reporting"


@dataclass(frozen=True, order=True)
class Member:
    """A pod with a sidecar, as the decision sees it."""

    name: str
    current: str | None
    """The revision to which the pod's link leads."""
    staged: bool
    """Whether the candidate's tree is on the pod's volume."""
    silent: bool
    """Whether the pod runs Airflow and has not reported for too long."""
    error: str | None = None
    fenced: bool = False

    @property
    def condition(self) -> Condition:
        if self.fenced:
            return Condition.FENCED
        if self.silent:
            return Condition.SILENT
        return Condition.FAILING if self.error is not None else Condition.REPORTING


@dataclass(frozen=True)
class Impact:
    """The effect of a candidate on Airflow, compared with the published revision."""

    touched: frozenset[str] | None = None
    """DAG files, relative to the DAG folder, that may behave differently; None: all of them."""
    removed: frozenset[str] = frozenset()
    """DAG files that the candidate deletes or renames. Airflow freezes their active runs."""


@dataclass(frozen=True)
class Facts:
    """The facts that decide on a candidate. Texts are sentences for `gitsync status`; None: the fact does not hold."""

    candidate: str | None
    published: str | None
    members: tuple[Member, ...] = ()
    runs: tuple[BlockingRun, ...] = ()
    impact: Impact = Impact()
    waited: float = 0.0
    """Seconds that runs have deferred a candidate since the last publication."""
    closed: str | None = None
    """The window that forbids publications now."""
    suspended: str | None = None
    """The operator's suspension."""
    ordered: str | None = None
    """The operator who has ordered this candidate's publication, although runs may be active."""
    interrupted: str | None = None
    """The reason why an interrupted publication cannot be finished yet."""
    obstacle: str | None = None
    """An obstacle that no order overrules. Most often another fact cannot be read."""


@dataclass(frozen=True)
class Decision:
    action: Action
    reason: str
    passing: bool = False
    """Whether every publication passes through this deferral. It makes a log line, and no Event."""
    blocking: tuple[BlockingRun, ...] = ()
    """The runs that defer the candidate."""
    cause: Cause = Cause.OBSTACLE
    """The thing that the candidate waits for, if it is deferred."""


def decide(facts: Facts, policy: Policy) -> Decision:
    """Apply the law above to the facts."""
    if facts.interrupted is not None:
        return Decision(Action.DEFER, facts.interrupted)
    if facts.candidate in (None, facts.published):
        return Decision(Action.KEEP, "no candidate" if facts.published else "nothing fetched yet")
    if facts.suspended is not None and facts.ordered is None:
        return Decision(Action.DEFER, facts.suspended, cause=Cause.ORDER)
    if facts.published is None and all(member.current is None for member in facts.members):
        return Decision(Action.PUBLISH_UNHELD, "first revision: no pod has a tree that it could mix with")
    return _hindered(facts) or _by_policy(facts, policy)


def _hindered(facts: Facts) -> Decision | None:
    """The deferral that neither the policy nor an order can overrule, or None."""
    waited_for = [member for member in facts.members if not member.fenced]
    if facts.obstacle is not None:
        return Decision(Action.DEFER, facts.obstacle)
    if silent := [member.name for member in waited_for if member.silent]:
        return Decision(Action.DEFER, f"no report from {_names(silent)}", cause=Cause.MEMBERS)
    if waiting := [member.name for member in waited_for if not member.staged]:
        return Decision(Action.DEFER, f"not yet staged on {_names(waiting)}", passing=True, cause=Cause.MEMBERS)
    return None


def _by_policy(facts: Facts, policy: Policy) -> Decision:
    if policy.scope is Scope.OFF:
        return Decision(Action.PUBLISH_UNHELD, "the lock is off")
    if facts.ordered is not None:
        return Decision(Action.PUBLISH, f"ordered by {facts.ordered}")
    if facts.closed is not None:
        return Decision(Action.DEFER, facts.closed, cause=Cause.WINDOW)
    blocking = tuple(run for run in facts.runs if blocks(run, facts.impact, policy))
    if not blocking:
        return Decision(Action.PUBLISH, "no blocking run")
    deferral = f"{len(blocking)} blocking {_plural(len(blocking))}: {_runs(blocking)}"
    if policy.max_defer is None or facts.waited < policy.max_defer:
        return Decision(Action.DEFER, deferral, blocking=blocking, cause=Cause.RUNS)
    return _at_deadline(deferral, blocking, facts, policy)


def _at_deadline(deferral: str, blocking: tuple[BlockingRun, ...], facts: Facts, policy: Policy) -> Decision:
    past = f"past max_defer, {deferral}"
    if policy.at_deadline is AtDeadline.WAIT:
        return Decision(Action.DEFER, past, blocking=blocking, cause=Cause.RUNS)
    if policy.at_deadline is AtDeadline.PIN and (loose := _cannot_be_pinned(blocking, facts.impact)):
        return Decision(Action.DEFER, f"{past}; {loose}", blocking=blocking, cause=Cause.RUNS)
    return Decision(Action.PUBLISH, past)


def _cannot_be_pinned(blocking: tuple[BlockingRun, ...], impact: Impact) -> str | None:
    if unrecorded := [run for run in blocking if run.revision is None]:
        return f"Airflow has recorded no revision on {_names([run.run_id for run in unrecorded])}"
    if orphans := [run for run in blocking if run.file is None or run.file in impact.removed]:
        return f"the candidate deletes the DAG of {_names([run.run_id for run in orphans])}, which would freeze it"
    return None


def blocks(run: BlockingRun, impact: Impact, policy: Policy) -> bool:
    """Whether the candidate must wait for ``run``."""
    if any(fnmatchcase(run.dag_id, pattern) for pattern in policy.exempt):
        return False
    if run.backfill and policy.backfills is Backfills.IGNORE:
        return False
    if run.frozen and run.frozen_for >= policy.frozen_grace:
        return False
    if policy.scope is Scope.GLOBAL or impact.touched is None or run.file is None:
        return True
    return run.file in impact.touched


def _plural(count: int) -> str:
    return "run" if count == 1 else "runs"


def _names(names: list[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(sorted(names)[:shown]) + more


def _runs(runs: tuple[BlockingRun, ...]) -> str:
    return _names([f"{run.dag_id} {run.run_id} ({run.reason})" for run in runs])
