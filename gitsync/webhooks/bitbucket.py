"""Bitbucket. "Event payloads" at support.atlassian.com (Cloud) and at confluence.atlassian.com (Data Center)."""

from __future__ import annotations

from typing import Any

from gitsync.webhooks.host import Host, Push, commit, text


class Bitbucket(Host):
    name = "bitbucket"
    title = "Bitbucket Cloud, Data Center"
    set_up = "a secret, pushes"
    events = ("x-event-key",)
    deliveries = ("x-request-uuid", "x-request-id")
    proofs = ("x-hub-signature",)
    pushes = frozenset({"repo:push", "repo:refs_changed"})
    pings = frozenset({"diagnostics:ping"})

    def read(self, payload: dict[str, Any]) -> Push:
        repository = payload["repository"]
        if "push" in payload:
            moved = dict(_of_cloud(change) for change in payload["push"]["changes"])
            return Push(text(repository["full_name"]), moved)
        moved = {text(change["ref"]["id"]): commit(change["toHash"]) for change in payload["changes"]}
        return Push(text(f"{repository['project']['key']}/{repository['slug']}"), moved)


def _of_cloud(change: dict[str, Any]) -> tuple[str, str | None]:
    new = change["new"]
    ref = new or change["old"]
    prefix = "refs/tags/" if ref["type"] == "tag" else "refs/heads/"
    return prefix + text(ref["name"]), commit(new["target"]["hash"]) if new else None
