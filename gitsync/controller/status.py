"""What `gitsync status` shows: one document, and the same as a table."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from gitsync.controller.announce import short
from gitsync.decide import Action
from gitsync.log import redacted

if TYPE_CHECKING:
    from gitsync.controller.announce import Announcer
    from gitsync.controller.publisher import Publisher
    from gitsync.controller.record import Record
    from gitsync.controller.source import Source


def of_source(source: Source, publisher: Publisher, record: Record | None, announcer: Announcer) -> dict[str, Any]:
    """One source: plain JSON types, times as ISO 8601, durations in seconds."""
    facts, decision = publisher.facts, publisher.decision
    deferred = decision.action is Action.DEFER
    return {
        "name": source.settings.name,
        "repo": redacted(source.settings.repo),
        "ref": source.settings.ref,
        "fetched": {"revision": source.candidate, "at": source.fetched_at},
        "candidate": source.candidate if record is None or source.candidate != record.revision else None,
        "published": {
            "revision": record.revision if record else None,
            "epoch": record.epoch if record else None,
            "previous": record.previous if record else None,
            "phase": record.phase if record else None,
            "at": record.at if record else None,
        },
        "decision": {"action": decision.action.value, "reason": decision.reason},
        "deferred_since": announcer.deferred_since if deferred else None,
        "blocking_runs": [asdict(run) for run in facts.runs] if deferred else [],
        "members": [asdict(member) for member in facts.members],
        "last_hold_seconds": publisher.last_hold,
        "last_error": asdict(source.trouble) if source.trouble else None,
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
    published, error = source["published"], source["last_error"]
    rows = [
        ("source", f"{source['name']}  {source['repo']}  {source['ref']}"),
        ("fetched", f"{short(source['fetched']['revision'])}  {source['fetched']['at'] or 'never'}"),
        ("candidate", short(source["candidate"]) if source["candidate"] else "none"),
        ("published", f"{short(published['revision'])}  epoch {published['epoch']}  {published['at'] or ''}"),
        ("decision", f"{source['decision']['action']}: {source['decision']['reason']}"),
        ("deferred since", source["deferred_since"] or "-"),
        ("last error", f"{error['reason']} {error['at']}: {error['message']}" if error else "-"),
    ]
    tables = [tabulate(rows, tablefmt="plain", disable_numparse=True)]
    if source["blocking_runs"]:
        runs = [[run["dag_id"], run["run_id"], run["state"], run["since"], short(run["revision"]), _why(run)]
                for run in source["blocking_runs"]]  # fmt: skip
        tables.append(tabulate(runs, ["BLOCKING DAG", "RUN", "STATE", "SINCE", "REVISION", "WHY"], "plain"))
    members = [
        [member["name"], short(member["current"]), _condition(member, source["candidate"])]
        for member in source["members"]
    ]
    tables.append(tabulate(members, ["MEMBER", "REVISION", "CONDITION"], "plain", disable_numparse=True))
    return "\n\n".join(tables)


def _why(run: dict[str, Any]) -> str:
    frozen = "; frozen: unpause its DAG or end the run" if run["frozen"] else ""
    return f"{run['reason']}{frozen}"


def _condition(member: dict[str, Any], candidate: str | None) -> str:
    if member["silent"] or member["error"]:
        return "silent" if member["silent"] else str(member["error"])
    if candidate is None:
        return "up to date"
    return "candidate staged" if member["staged"] else "staging the candidate"
