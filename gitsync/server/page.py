"""Renders the status document as an HTML page that says why a commit is not live. No script, no link, no secret."""

from __future__ import annotations

from html import escape
from typing import Any

from gitsync.airflow.plain import plain
from gitsync.revision import short

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
    """The page of ``document``, which is the answer to `GET /v1/status`."""
    document = plain(document)
    parts = [_source(source) for source in document["sources"]]
    if document.get("last_error"):
        parts.insert(0, _paragraph(f"Last error: {document['last_error']}"))
    return _FRAME.format("\n".join(parts))


def why(source: dict[str, Any]) -> str:
    """Whether the newest commit is live, and if not the reason, in a sentence or two. ``source`` is from the status."""
    live, refused, trouble = source["published"]["revision"], source["refused"], source["last_error"]
    if trouble:
        return f"gitsync cannot check newer commits: {trouble['message']}"
    if refused:
        return f"{short(refused['revision'])} is refused ({refused['reason']}): {refused['message']}"
    if source["candidate"]:
        return f"{short(source['candidate'])} is not live yet: {source['decision']['reason']}"
    if not live:
        return "Nothing has been published yet."
    if source["in_force"]:
        return f"{short(live)} is live; {'; '.join(source['in_force'])}."
    return f"{short(live)} is live, and no newer commit is known."


def _source(source: dict[str, Any]) -> str:
    published = source["published"]
    rows = [
        ("Repository", f"{source['repo']} {source['ref']}"),
        ("Fetched", f"{short(source['fetched']['revision'])} {source['fetched']['at'] or ''}"),
        ("Candidate", short(source["candidate"]) if source["candidate"] else "none"),
        ("Touches", source["touches"] if source["candidate"] else None),
        ("Deferred since", source["deferred_since"]),
        *(("Deferred so far", line) for line in source["deferrals"]),
        ("Published", f"{short(published['revision'])} epoch {published['epoch']} {published['at'] or ''}"),
        *(("Order", order) for order in source["in_force"]),
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
        (run["dag_id"], run["run_id"], run["state"], run["since"] or "", short(run["revision"]), run["reason"])
        for run in runs
    ]
    return _table(("Blocking DAG", "Run", "State", "Since", "Revision", "Why"), rows)


def _members(members: list[dict[str, Any]]) -> str:
    rows = [(member["name"], short(member["current"]), member["condition"]) for member in members]
    return _table(("Member", "Revision", "Condition"), rows) if rows else ""


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [_row("th", head)] if head else []
    return "\n".join(["<table>", *lines, *(_row("td", row) for row in rows), "</table>"])


def _row(cell: str, values: tuple[Any, ...]) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in values) + "</tr>"


def _paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"
