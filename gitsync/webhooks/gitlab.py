"""GitLab: docs.gitlab.com/user/project/integrations/webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitsync.webhooks.host import Host, Push, commit, same, text, text_or_empty, text_or_none
from gitsync.webhooks.signing import signature

if TYPE_CHECKING:
    from collections.abc import Mapping


class GitLab(Host):
    name = "gitlab"
    title = "GitLab"
    set_up = "push and tag events, a signing token `whsec_…` or a secret token"
    events = ("x-gitlab-event",)
    deliveries = ("webhook-id", "idempotency-key", "x-gitlab-event-uuid")
    proofs = ("webhook-signature", "x-gitlab-token")
    pushes = frozenset({"push", "tag_push"})

    def read(self, payload: dict[str, Any]) -> Push:
        project = payload["project"]
        moved = {text(payload["ref"]): commit(payload["after"])}
        return Push(text(project["path_with_namespace"]), moved, text_or_none(project.get("default_branch")))

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
        """Check GitLab's secret token. With a signing token, check the signature as standardwebhooks.com defines it.

        The signature's timestamp is not checked, because a replay only causes another look.
        """
        if (signatures := headers.get("webhook-signature")) is None:
            return same(headers.get("x-gitlab-token", ""), secret.decode(errors="surrogateescape"))
        try:
            wanted = signature(secret, headers.get("webhook-id", ""), headers.get("webhook-timestamp", ""), body)
        except ValueError:
            return False
        return any(same(given, wanted) for given in signatures.split())

    def event(self, _headers: Mapping[str, str], payload: Mapping[str, Any]) -> str:
        """The event's name, from the body. The header of a system hook does not have it."""
        return text_or_empty(payload.get("object_kind") or payload.get("event_name"))
