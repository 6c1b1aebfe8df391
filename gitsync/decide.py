"""The decision: facts in, an action and one sentence out. No clock, no network, no files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
    GLOBAL = "global"
    """Any blocking run defers any candidate."""
    OFF = "off"
    """Nothing waits for runs. Only for comparison: runs can mix revisions when the bundle is unversioned."""


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


@dataclass(frozen=True)
class Facts:
    candidate: str | None
    published: str | None
    members: tuple[Member, ...] = ()
    runs: tuple[BlockingRun, ...] = ()
    obstacle: str | None = None
    """What forbids a publication whatever the other facts are, in a sentence: most often, that they cannot be read."""


@dataclass(frozen=True)
class Decision:
    action: Action
    reason: str
    passing: bool = False
    """Part of every publication: worth a log line, but no Event."""


def decide(facts: Facts, scope: Scope) -> Decision:
    """What to do with the candidate now. Every rule on publishing is here."""
    if facts.candidate is None:
        return Decision(Action.KEEP, "nothing fetched yet")
    if facts.candidate == facts.published:
        return Decision(Action.KEEP, "up to date")
    if facts.published is None and all(member.current is None for member in facts.members):
        return Decision(Action.PUBLISH_UNHELD, "first revision: no pod has a tree that it could mix with")
    return _admit(facts, scope)


def _admit(facts: Facts, scope: Scope) -> Decision:
    if facts.obstacle is not None:
        return Decision(Action.DEFER, facts.obstacle)
    if silent := [member.name for member in facts.members if member.silent]:
        return Decision(Action.DEFER, f"no report from {_names(silent)}")
    if waiting := [member.name for member in facts.members if not member.staged]:
        return Decision(Action.DEFER, f"not yet staged on {_names(waiting)}", passing=True)
    if scope is Scope.OFF:
        return Decision(Action.PUBLISH_UNHELD, "the lock is off")
    if facts.runs:
        return Decision(Action.DEFER, f"{len(facts.runs)} blocking {_plural(len(facts.runs))}: {_runs(facts.runs)}")
    return Decision(Action.PUBLISH, "no blocking run")


def _plural(count: int) -> str:
    return "run" if count == 1 else "runs"


def _names(names: list[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(sorted(names)[:shown]) + more


def _runs(runs: tuple[BlockingRun, ...]) -> str:
    return _names([f"{run.dag_id} {run.run_id} ({run.reason})" for run in runs])
