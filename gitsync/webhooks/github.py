"""GitHub: docs.github.com/webhooks."""

from __future__ import annotations

from typing import Any, ClassVar

from gitsync.webhooks.host import Host, Push, commit, text, text_or_none


class GitHub(Host):
    name = "github"
    title = "GitHub"
    set_up = "content type JSON or form, a secret, pushes only"
    events: ClassVar[tuple[str, ...]] = ("x-github-event",)
    deliveries: ClassVar[tuple[str, ...]] = ("x-github-delivery",)
    proofs: ClassVar[tuple[str, ...]] = ("x-hub-signature-256",)

    def read(self, payload: dict[str, Any]) -> Push:
        repository = payload["repository"]
        moved = {text(payload["ref"]): commit(payload["after"])}
        return Push(text(repository["full_name"]), moved, text_or_none(repository.get("default_branch")))
