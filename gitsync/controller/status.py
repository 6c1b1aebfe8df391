"""Makes the JSON documents of `gitsync status` and `gitsync explain`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gitsync.controller.record import Record
from gitsync.impact.way import narrowings, told
from gitsync.log import redacted
from gitsync.rules.decide import Action, Condition

if TYPE_CHECKING:
    from gitsync.controller.announce import Announcer
    from gitsync.controller.candidate import Candidate
    from gitsync.controller.publisher import Publisher
    from gitsync.controller.source import Source
    from gitsync.rules.decide import Decision, Facts, Member


def of_source(source: Source, publisher: Publisher, record: Record | None, announcer: Announcer) -> dict[str, Any]:
    """The status of one source, in plain JSON types: times as ISO 8601, durations in seconds."""
    facts, decision, record = publisher.facts, publisher.decision, record or Record()
    deferred = decision.action is Action.DEFER
    candidate = source.candidate
    waiting = candidate is not None and candidate.revision != record.revision
    return {
        "name": source.settings.name,
        "repo": redacted(source.settings.repo),
        "ref": source.settings.ref,
        "fetched": {"revision": source.fetched, "at": source.fetched_at},
        "candidate": candidate.revision if candidate and waiting else None,
        "touches": candidate.why if candidate else None,
        "not_analysed": dict(candidate.opaque) if candidate else {},
        "refused": _with_revision(source),
        "published": {
            "revision": record.revision,
            "epoch": record.epoch,
            "previous": record.previous,
            "phase": record.phase,
            "at": record.at,
        },
        "orders": asdict(record.orders),
        "in_force": list(record.orders.in_force()),
        "restarts": {component: restart.reason for component, restart in record.restarts.items()},
        "decision": {"action": decision.action.value, "reason": decision.reason},
        "deferred_since": announcer.deferred_since if deferred else None,
        "deferred_seconds": facts.waited,
        "deferrals": announcer.deferrals.told(),
        "blocking_runs": [asdict(run) for run in decision.blocking],
        "ignored_runs": [asdict(run) for run in facts.runs if run not in decision.blocking],
        "members": [{**asdict(member), "condition": _condition(member, waiting=waiting)} for member in facts.members],
        "last_hold_seconds": publisher.last_hold,
        "last_error": asdict(source.trouble) if source.trouble else None,
    }


def _condition(member: Member, *, waiting: bool) -> str:
    """A member's condition in a few words. ``waiting``: there is a candidate to stage."""
    if member.condition is Condition.FENCED:
        return "fenced: silent and not ready"
    if member.condition is Condition.FAILING:
        return str(member.error)
    if member.condition is Condition.SILENT:
        return "silent"
    if waiting:
        return "candidate staged" if member.staged else "staging the candidate"
    return "up to date"


def _with_revision(source: Source) -> dict[str, Any] | None:
    return None if source.refusal is None else {"revision": source.fetched, **asdict(source.refusal)}


def of_explanation(candidate: Candidate, facts: Facts, decision: Decision) -> dict[str, Any]:
    """The impact of a revision, and the decision on it if it were the candidate now; in plain JSON types."""
    touched = candidate.impact.touched
    return {
        "revision": candidate.revision,
        "published": candidate.base,
        "touches": {
            "everything": touched is None,
            "files": sorted(touched or ()),
            "removed": sorted(candidate.impact.removed),
            "why": candidate.why,
        },
        "ways": {name: told(way) for name, way in candidate.ways.items()},
        "narrowings": [each._asdict() for each in narrowings(candidate.ways.values())],
        "not_analysed": dict(candidate.opaque),
        "restarts": dict(candidate.restarts),
        "decision": {"action": decision.action.value, "reason": decision.reason},
        "blocking_runs": [asdict(run) for run in decision.blocking],
        "ignored_runs": [asdict(run) for run in facts.runs if run not in decision.blocking],
    }
