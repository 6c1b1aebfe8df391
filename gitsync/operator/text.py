"""Renders the controller's documents as text for a terminal."""

from __future__ import annotations

import json
from typing import Any

from tabulate import tabulate

from gitsync.airflow.plain import plain
from gitsync.revision import short


def as_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2)


def as_text(document: dict[str, Any]) -> str:
    """The status as text. What authors of commits and runs have written is only shown."""
    document = plain(document)
    lead = f"{document['controller']} leads" if document["leading"] else f"{document['controller']} stands by"
    parts = [lead, *(_source_text(source) for source in document["sources"])]
    if document["last_error"]:
        parts.append(f"last error: {document['last_error']}")
    return "\n\n".join(parts)


def _source_text(source: dict[str, Any]) -> str:
    tables = [tabulate(_source_rows(source), tablefmt="plain", disable_numparse=True)]
    if source["blocking_runs"]:
        tables.append(_runs_table("BLOCKING DAG", source["blocking_runs"]))
    members = [[member["name"], short(member["current"]), member["condition"]] for member in source["members"]]
    tables.append(tabulate(members, ["MEMBER", "REVISION", "CONDITION"], "plain", disable_numparse=True))
    return "\n\n".join(tables)


def _source_rows(source: dict[str, Any]) -> list[tuple[str, str]]:
    published, error, refused = source["published"], source["last_error"], source["refused"]
    rows = [
        ("source", f"{source['name']}  {source['repo']}  {source['ref']}"),
        ("fetched", f"{short(source['fetched']['revision'])}  {source['fetched']['at'] or 'never'}"),
        ("candidate", short(source["candidate"]) if source["candidate"] else "none"),
        ("touches", source["touches"] if source["candidate"] else "-"),
        ("published", f"{short(published['revision'])}  epoch {published['epoch']}  {published['at'] or ''}"),
        ("decision", f"{source['decision']['action']}: {source['decision']['reason']}"),
        ("deferred since", source["deferred_since"] or "-"),
    ]
    rows += [("deferred so far", line) for line in source.get("deferrals", ())]
    rows += [("not analysed", f"{path}: {why}") for path, why in source.get("not_analysed", {}).items()]
    if refused:
        rows.append(("refused", f"{refused['reason']} {refused['at']}: {refused['message']}"))
    rows += [("order", order) for order in source["in_force"]]
    rows += [("must restart", f"{component}: {reason}") for component, reason in source["restarts"].items()]
    rows.append(("last error", f"{error['reason']} {error['at']}: {error['message']}" if error else "-"))
    return rows


def _runs_table(heading: str, runs: list[dict[str, Any]]) -> str:
    rows = [
        [run["dag_id"], run["run_id"], run["state"], run["since"], short(run["revision"]), _why(run)] for run in runs
    ]
    return tabulate(rows, [heading, "RUN", "STATE", "SINCE", "REVISION", "WHY"], "plain")


def explanation_as_text(document: dict[str, Any]) -> str:
    """An explanation as text. What authors of commits and runs have written is only shown."""
    document = plain(document)
    touches, decision = document["touches"], document["decision"]
    rows = [
        ("revision", short(document["revision"])),
        ("compared with", f"{short(document['published'])}, the published revision"),
        ("touches", touches["why"]),
        ("DAG files", "all" if touches["everything"] else ", ".join(touches["files"]) or "none"),
        ("now", f"{decision['action']}: {decision['reason']}"),
    ]
    if touches["removed"]:
        rows.append(("removes", ", ".join(touches["removed"])))
    rows += [("because", way) for way in document.get("ways", {}).values()]
    rows += [("to narrow", _narrowing(each)) for each in document.get("narrowings", ())]
    rows += [("not analysed", f"{path}: {why}") for path, why in document.get("not_analysed", {}).items()]
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


def order_as_text(document: dict[str, Any]) -> str:
    """The decision after an order, and the orders in force, as text."""
    document = plain(document)
    decision = document["decision"]
    lines = [f"{document['name']}: {decision['action']}: {decision['reason']}"]
    return "\n".join([*lines, *(f"in force: {order}" for order in document["in_force"])])


def _narrowing(narrowing: dict[str, Any]) -> str:
    """A rule of ``.gitsync.yaml``, with its condition."""
    rule, places = f"ignore: ['{narrowing['pattern']}']", ", ".join(narrowing["places"])
    return f"{rule} in .gitsync.yaml spares {narrowing['spares']} of the DAG files, if none reads it; see {places}"
