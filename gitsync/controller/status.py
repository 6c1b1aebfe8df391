"""What `gitsync status` shows: one document, and the same as a table."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from gitsync.controller.announce import short
from gitsync.controller.record import Record
from gitsync.decide import Action
from gitsync.log import redacted

if TYPE_CHECKING:
    from gitsync.controller.announce import Announcer
    from gitsync.controller.candidate import Candidate
    from gitsync.controller.publisher import Publisher
    from gitsync.controller.source import Source
    from gitsync.decide import Decision, Facts


def of_source(source: Source, publisher: Publisher, record: Record | None, announcer: Announcer) -> dict[str, Any]:
    """One source: plain JSON types, times as ISO 8601, durations in seconds."""
    facts, decision, record = publisher.facts, publisher.decision, record or Record()
    deferred = decision.action is Action.DEFER
    candidate = source.candidate
    return {
        "name": source.settings.name,
        "repo": redacted(source.settings.repo),
        "ref": source.settings.ref,
        "fetched": {"revision": source.fetched, "at": source.fetched_at},
        "candidate": candidate.revision if candidate and candidate.revision != record.revision else None,
        "touches": candidate.why if candidate else None,
        "refused": _with_revision(source),
        "published": {
            "revision": record.revision,
            "epoch": record.epoch,
            "previous": record.previous,
            "phase": record.phase,
            "at": record.at,
        },
        "orders": asdict(record.orders),
        "restarts": {component: restart.reason for component, restart in record.restarts.items()},
        "decision": {"action": decision.action.value, "reason": decision.reason},
        "deferred_since": announcer.deferred_since if deferred else None,
        "deferred_seconds": facts.waited,
        "blocking_runs": [asdict(run) for run in decision.blocking],
        "ignored_runs": [asdict(run) for run in facts.runs if run not in decision.blocking],
        "members": [asdict(member) for member in facts.members],
        "last_hold_seconds": publisher.last_hold,
        "last_error": asdict(source.trouble) if source.trouble else None,
    }


def _with_revision(source: Source) -> dict[str, Any] | None:
    return None if source.refusal is None else {"revision": source.fetched, **asdict(source.refusal)}


def of_explanation(candidate: Candidate, facts: Facts, decision: Decision) -> dict[str, Any]:
    """What a revision would do if it were published after what is published now."""
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
        "restarts": dict(candidate.restarts),
        "decision": {"action": decision.action.value, "reason": decision.reason},
        "blocking_runs": [asdict(run) for run in decision.blocking],
        "ignored_runs": [asdict(run) for run in facts.runs if run not in decision.blocking],
    }


def as_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2)


def as_text(document: dict[str, Any]) -> str:
    """The document for a terminal."""
    lead = f"{document['controller']} leads" if document["leading"] else f"{document['controller']} stands by"
    parts = [lead, *(_source_text(source) for source in document["sources"])]
    if document["last_error"]:
        parts.append(f"last error: {document['last_error']}")
    return "\n\n".join(parts)


def _source_text(source: dict[str, Any]) -> str:
    tables = [tabulate(_source_rows(source), tablefmt="plain", disable_numparse=True)]
    if source["blocking_runs"]:
        tables.append(_runs_table("BLOCKING DAG", source["blocking_runs"]))
    members = [
        [member["name"], short(member["current"]), _condition(member, source["candidate"])]
        for member in source["members"]
    ]
    tables.append(tabulate(members, ["MEMBER", "REVISION", "CONDITION"], "plain", disable_numparse=True))
    return "\n\n".join(tables)


def _source_rows(source: dict[str, Any]) -> list[tuple[str, str]]:
    published, error, refused = source["published"], source["last_error"], source["refused"]
    orders, restarts = source["orders"], source["restarts"]
    rows = [
        ("source", f"{source['name']}  {source['repo']}  {source['ref']}"),
        ("fetched", f"{short(source['fetched']['revision'])}  {source['fetched']['at'] or 'never'}"),
        ("candidate", short(source["candidate"]) if source["candidate"] else "none"),
        ("touches", source["touches"] if source["candidate"] else "-"),
        ("published", f"{short(published['revision'])}  epoch {published['epoch']}  {published['at'] or ''}"),
        ("decision", f"{source['decision']['action']}: {source['decision']['reason']}"),
        ("deferred since", source["deferred_since"] or "-"),
    ]
    if refused:
        rows.append(("refused", f"{refused['reason']} {refused['at']}: {refused['message']}"))
    if orders["rollback"]:
        rows.append(
            ("rolled back", f"to {short(orders['rollback'])} by {orders['rollback_by']}; until `gitsync resume`")
        )
    rows += [("must restart", f"{component}: {reason}") for component, reason in restarts.items()]
    rows.append(("last error", f"{error['reason']} {error['at']}: {error['message']}" if error else "-"))
    return rows


def _runs_table(heading: str, runs: list[dict[str, Any]]) -> str:
    rows = [
        [run["dag_id"], run["run_id"], run["state"], run["since"], short(run["revision"]), _why(run)] for run in runs
    ]
    return tabulate(rows, [heading, "RUN", "STATE", "SINCE", "REVISION", "WHY"], "plain")


def explanation_as_text(document: dict[str, Any]) -> str:
    """An explanation for a terminal."""
    touches, decision = document["touches"], document["decision"]
    rows = [
        ("revision", short(document["revision"])),
        ("compared with", f"{short(document['published'])}, which is published"),
        ("touches", touches["why"]),
        ("DAG files", "all" if touches["everything"] else ", ".join(touches["files"]) or "none"),
        ("now", f"{decision['action']}: {decision['reason']}"),
    ]
    if touches["removed"]:
        rows.append(("removes", ", ".join(touches["removed"])))
    rows += [("must restart", f"{component}: {reason}") for component, reason in document["restarts"].items()]
    parts = [tabulate(rows, tablefmt="plain", disable_numparse=True)]
    if document["blocking_runs"]:
        parts.append(_runs_table("WOULD WAIT FOR", document["blocking_runs"]))
    if document["ignored_runs"]:
        parts.append(_runs_table("WOULD NOT WAIT FOR", document["ignored_runs"]))
    return "\n\n".join(parts)


def _why(run: dict[str, Any]) -> str:
    frozen = "; frozen: unpause its DAG or end the run" if run["frozen"] else ""
    return f"{run['reason']}{frozen}"


def _condition(member: dict[str, Any], candidate: str | None) -> str:
    if member["fenced"]:
        return "fenced: silent and not ready"
    if member["silent"] or member["error"]:
        return "silent" if member["silent"] else str(member["error"])
    if candidate is None:
        return "up to date"
    return "candidate staged" if member["staged"] else "staging the candidate"
