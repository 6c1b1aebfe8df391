"""The status document as a page for people: why a commit is not live yet. No script, no link, no secret."""

from __future__ import annotations

from html import escape
from typing import Any

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="10">
<title>gitsync</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; }}
table {{ border-collapse: collapse; margin: 0.5em 0 1.5em; }}
th, td {{ border-top: 1px solid #ccc; padding: 0.25em 1em 0.25em 0; text-align: left; vertical-align: top; }}
.why {{ font-size: 1.15em; }}
</style>
</head>
<body>
<h1>gitsync</h1>
{}
</body>
</html>
"""


def rendered(document: dict[str, Any]) -> str:
    """``document``: what `GET /v1/status` answers."""
    parts = [_source(source) for source in document["sources"]]
    if document.get("last_error"):
        parts.insert(0, _paragraph(f"Last error: {document['last_error']}"))
    return _FRAME.format("\n".join(parts))


def why(source: dict[str, Any]) -> str:
    """Why the newest commit is live, or is not, in a sentence or two."""
    live, refused, trouble = source["published"]["revision"], source["refused"], source["last_error"]
    if trouble:
        return f"The remote cannot be read, so nothing newer is known: {trouble['message']}"
    if refused:
        return f"{_short(refused['revision'])} is refused ({refused['reason']}): {refused['message']}"
    if source["candidate"]:
        return f"{_short(source['candidate'])} is not live yet: {source['decision']['reason']}"
    if source["orders"]["rollback"]:
        orders = source["orders"]
        return f"{_short(live)} is live; {orders['rollback_by']} has gone back to it, until `gitsync resume`."
    return f"{_short(live)} is live, and nothing newer is known." if live else "Nothing has been published yet."


def _source(source: dict[str, Any]) -> str:
    published, orders = source["published"], source["orders"]
    rows = [
        ("Repository", f"{source['repo']} {source['ref']}"),
        ("Fetched", f"{_short(source['fetched']['revision'])} {source['fetched']['at'] or ''}"),
        ("Candidate", _short(source["candidate"]) if source["candidate"] else "none"),
        ("Touches", source["touches"] if source["candidate"] else None),
        ("Deferred since", source["deferred_since"]),
        ("Published", f"{_short(published['revision'])} epoch {published['epoch']} {published['at'] or ''}"),
        ("Suspended", orders["suspended"]),
    ]
    rows += [("Must restart", f"{component}: {reason}") for component, reason in source["restarts"].items()]
    shown = [(name, value) for name, value in rows if value is not None]
    return "\n".join([
        f"<h2>{escape(source['name'])}</h2>",
        _paragraph(why(source), "why"),
        _table((), shown),
        _runs(source["blocking_runs"]),
        _members(source["members"]),
    ])  # fmt: skip


def _runs(runs: list[dict[str, Any]]) -> str:
    if not runs:
        return ""
    rows = [
        (run["dag_id"], run["run_id"], run["state"], run["since"] or "", _short(run["revision"]), run["reason"])
        for run in runs
    ]
    return _table(("Blocking DAG", "Run", "State", "Since", "Revision", "Why"), rows)


def _members(members: list[dict[str, Any]]) -> str:
    rows = [(member["name"], _short(member["current"]), _condition(member)) for member in members]
    return _table(("Member", "Revision", "Condition"), rows) if rows else ""


def _condition(member: dict[str, Any]) -> str:
    if member["error"]:
        return str(member["error"])
    if member["fenced"]:
        return "fenced: silent and not ready"
    return "silent" if member["silent"] else "reporting"


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [_row("th", head)] if head else []
    return "\n".join(["<table>", *lines, *(_row("td", row) for row in rows), "</table>"])


def _row(cell: str, values: tuple[Any, ...]) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in values) + "</tr>"


def _paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def _short(revision: str | None) -> str:
    return (revision or "nothing")[:12]
