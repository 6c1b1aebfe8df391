"""The decision: facts in, an action and one sentence out. No clock, no network, no files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase


class Action(Enum):
    KEEP = "keep"
    """There is nothing to publish."""
    DEFER = "defer"
    """The candidate must wait."""
    PUBLISH = "publish"
    """Publish under the hold, where this decision is taken again."""
    PUBLISH_UNHELD = "publish-unheld"
    """Publish at once: no task can meet two revisions, or the operator has turned the lock off."""


class Scope(Enum):
    AFFECTED = "affected"
    """Only runs of DAGs that the candidate touches defer it."""
    GLOBAL = "global"
    """Any blocking run defers any candidate."""
    OFF = "off"
    """Nothing waits for runs. Only for comparison: runs can mix revisions when the bundle is unversioned."""


class AtDeadline(Enum):
    WAIT = "wait"
    """Go on waiting; `gitsync status` shows it."""
    PIN = "pin"
    """Publish; active runs stay on the revision that Airflow has recorded on them."""
    PUBLISH = "publish"
    """Publish; an active run that has no recorded revision goes on with the new one."""


class Backfills(Enum):
    BLOCK = "block"
    IGNORE = "ignore"


@dataclass(frozen=True)
class Policy:
    """What an operator may choose about waiting."""

    scope: Scope = Scope.AFFECTED
    max_defer: float | None = None
    """Seconds that runs may defer a candidate before ``at_deadline`` applies; None: for ever."""
    at_deadline: AtDeadline = AtDeadline.WAIT
    frozen_grace: float = 3600.0
    """Seconds after which a frozen run stops blocking."""
    exempt: tuple[str, ...] = ()
    """Patterns of DAG ids, such as ``monitor_*``, whose runs never block."""
    backfills: Backfills = Backfills.BLOCK
    versioned: bool = True
    """The bundle in Airflow is versioned: a pod that lags behind cannot split a run."""


@dataclass(frozen=True, order=True)
class BlockingRun:
    """A DAG run that an update could split over two revisions."""

    dag_id: str
    run_id: str
    state: str
    """Airflow's word: ``queued`` or ``running``."""
    since: str | None
    """When it started, ISO 8601 by the database's clock: shown to people, never compared."""
    revision: str | None
    """The revision that Airflow has recorded on it."""
    reason: str
    """What of it is going on, in a few words."""
    frozen: bool
    """Running, but its DAG is paused or gone and nothing of it executes: it ends only when a person acts."""
    file: str | None = None
    """Its DAG file, relative to the DAG folder; None: not known."""
    backfill: bool = False
    frozen_for: float = 0.0
    """Seconds since this controller first saw it frozen."""


@dataclass(frozen=True, order=True)
class Member:
    """A pod whose tree must flip."""

    name: str
    current: str | None
    staged: bool
    """It has the candidate's tree on its volume."""
    silent: bool
    """It runs Airflow but has not reported for too long."""
    error: str | None = None
    fenced: bool = False
    """Silent for so long, and not ready, that publications no longer wait for it."""


@dataclass(frozen=True)
class Impact:
    """What a candidate changes for Airflow, compared with what is published."""

    touched: frozenset[str] | None = None
    """DAG files, relative to the DAG folder, that may behave differently; None: all of them."""
    removed: frozenset[str] = frozenset()
    """DAG files that the candidate deletes or renames: Airflow freezes their active runs."""


@dataclass(frozen=True)
class Facts:
    candidate: str | None
    published: str | None
    members: tuple[Member, ...] = ()
    runs: tuple[BlockingRun, ...] = ()
    impact: Impact = Impact()
    waited: float = 0.0
    """Seconds that runs have deferred a candidate since the last publication."""
    closed: str | None = None
    """Why the time does not allow publications, in a sentence."""
    suspended: str | None = None
    """Why an operator has stopped publications, in a sentence."""
    ordered: str | None = None
    """Who wants this candidate published now, whatever runs."""
    obstacle: str | None = None
    """What forbids a publication whatever the other facts are, in a sentence: most often, that they cannot be read."""


@dataclass(frozen=True)
class Decision:
    action: Action
    reason: str
    passing: bool = False
    """Part of every publication: worth a log line, but no Event."""
    blocking: tuple[BlockingRun, ...] = ()
    """The runs that defer the candidate."""


def decide(facts: Facts, policy: Policy) -> Decision:
    """What to do with the candidate now. Every rule on publishing is here."""
    if facts.candidate in (None, facts.published):
        return Decision(Action.KEEP, "no candidate" if facts.published else "nothing fetched yet")
    if facts.suspended is not None and facts.ordered is None:
        return Decision(Action.DEFER, facts.suspended)
    if facts.published is None and all(member.current is None for member in facts.members):
        return Decision(Action.PUBLISH_UNHELD, "first revision: no pod has a tree that it could mix with")
    return _hindered(facts) or _admit(facts, policy)


def _hindered(facts: Facts) -> Decision | None:
    """What no policy and no order can overrule."""
    waited_for = [member for member in facts.members if not member.fenced]
    if facts.obstacle is not None:
        return Decision(Action.DEFER, facts.obstacle)
    if silent := [member.name for member in waited_for if member.silent]:
        return Decision(Action.DEFER, f"no report from {_names(silent)}")
    if waiting := [member.name for member in waited_for if not member.staged]:
        return Decision(Action.DEFER, f"not yet staged on {_names(waiting)}", passing=True)
    return None


def _admit(facts: Facts, policy: Policy) -> Decision:
    if policy.scope is Scope.OFF:
        return Decision(Action.PUBLISH_UNHELD, "the lock is off")
    if facts.ordered is not None:
        return Decision(Action.PUBLISH, f"ordered by {facts.ordered}")
    if facts.closed is not None:
        return Decision(Action.DEFER, facts.closed)
    blocking = tuple(run for run in facts.runs if blocks(run, facts.impact, policy))
    if not blocking:
        return Decision(Action.PUBLISH, "no blocking run")
    deferral = f"{len(blocking)} blocking {_plural(len(blocking))}: {_runs(blocking)}"
    if policy.max_defer is None or facts.waited < policy.max_defer:
        return Decision(Action.DEFER, deferral, blocking=blocking)
    return _at_deadline(deferral, blocking, facts, policy)


def _at_deadline(deferral: str, blocking: tuple[BlockingRun, ...], facts: Facts, policy: Policy) -> Decision:
    past = f"past max_defer, {deferral}"
    if policy.at_deadline is AtDeadline.WAIT:
        return Decision(Action.DEFER, past, blocking=blocking)
    if policy.at_deadline is AtDeadline.PIN and (loose := _cannot_be_pinned(blocking, facts.impact)):
        return Decision(Action.DEFER, f"{past}; {loose}", blocking=blocking)
    return Decision(Action.PUBLISH, past)


def _cannot_be_pinned(blocking: tuple[BlockingRun, ...], impact: Impact) -> str | None:
    if unrecorded := [run for run in blocking if run.revision is None]:
        return f"Airflow has recorded no revision on {_names([run.run_id for run in unrecorded])}"
    if orphans := [run for run in blocking if run.file is None or run.file in impact.removed]:
        return f"the candidate deletes the DAG of {_names([run.run_id for run in orphans])}, which would freeze it"
    return None


def blocks(run: BlockingRun, impact: Impact, policy: Policy) -> bool:
    """Whether the candidate has to wait for ``run``."""
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
