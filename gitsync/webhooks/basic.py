"""Hosts that sign nothing and send no header of their own: a user name and a password say who they are."""

from __future__ import annotations

import binascii
from abc import ABC
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from gitsync.webhooks.host import Host, Push, commit, same, text, text_or_empty

if TYPE_CHECKING:
    from collections.abc import Mapping


class Basic(Host, ABC):
    """A host that logs in with its name in ``providers`` as the user name, and the secret as the password."""

    events = ()
    deliveries = ()
    proofs = ("authorization",)

    def sent(self, headers: Mapping[str, str]) -> bool:
        return _login(headers)[0] == self.name

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:  # noqa: ARG002 - others sign it
        return same(_login(headers)[1], secret.decode(errors="surrogateescape"))


class AzureDevOps(Basic):
    """Azure DevOps. "Service hooks events" at learn.microsoft.com, event `git.push`."""

    name = "azure-devops"
    title = "Azure DevOps"
    set_up = (
        "a service hook *Web Hooks* for *Code pushed*, with all resource details, the user name `azure-devops` and the"
        " secret as password"
    )
    pushes = frozenset({"git.push"})

    def event(self, _headers: Mapping[str, str], payload: Mapping[str, Any]) -> str:
        return text_or_empty(payload.get("eventType"))

    def read(self, payload: dict[str, Any]) -> Push:
        pushed = payload["resource"]
        repository = pushed["repository"]
        default = text(repository.get("defaultBranch") or "").removeprefix("refs/heads/") or None
        moved = {text(update["name"]): commit(update["newObjectId"]) for update in pushed["refUpdates"]}
        return Push(text(repository["name"]), moved, default)


class CodeCommit(Basic):
    """AWS CodeCommit through Amazon EventBridge.

    "Monitoring CodeCommit events in Amazon EventBridge" and "API destinations" at docs.aws.amazon.com.
    """

    name = "codecommit"
    title = "AWS CodeCommit"
    set_up = (
        "an EventBridge rule for `CodeCommit Repository State Change`, whose target is an API destination that gets the"
        " whole event; its connection has the user name `codecommit` and the secret as password"
    )
    pushes = frozenset({"referenceCreated", "referenceUpdated", "referenceDeleted"})

    def event(self, _headers: Mapping[str, str], payload: Mapping[str, Any]) -> str:
        detail = payload.get("detail")
        return text_or_empty(detail.get("event") if isinstance(detail, dict) else None)

    def read(self, payload: dict[str, Any]) -> Push:
        detail = payload["detail"]
        deleted = detail["event"] == "referenceDeleted"
        new = None if deleted else commit(detail["commitId"])
        return Push(text(detail["repositoryName"]), {text(detail["referenceFullName"]): new})


def _login(headers: Mapping[str, str]) -> tuple[str, str]:
    """User name and password of Basic authentication; empty texts without it."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    try:
        login = b64decode(given, validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        return "", ""
    name, _, password = login.decode(errors="surrogateescape").partition(":")
    return name, password
