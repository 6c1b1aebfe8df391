"""The table of Git hosts, and the steps to verify and read a webhook of any of them. No I/O, no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Any, ClassVar
from urllib.parse import parse_qs

from gitsync.webhooks.basic import AzureDevOps, CodeCommit
from gitsync.webhooks.bitbucket import Bitbucket
from gitsync.webhooks.gitea import Gitea
from gitsync.webhooks.github import GitHub
from gitsync.webhooks.gitlab import GitLab
from gitsync.webhooks.gogs import Gogs
from gitsync.webhooks.host import Host, Push, first

HOSTS = (Gitea(), Gogs(), GitLab(), Bitbucket(), GitHub(), AzureDevOps(), CodeCommit())
"""Gitea and Forgejo also send the headers of Gogs and GitHub, so Gitea must come before these."""
PROVIDERS = tuple(host.name for host in HOSTS)


@dataclass(frozen=True, kw_only=True)
class WebhookOptions:
    """How a Git host proves that a push is its own. A webhook can only make the controller look."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    secret_files: tuple[Path, ...]
    """Files that hold one secret each (GitLab: a secret token, or a signing token `whsec_…`), read at each request. A
    push may be signed with any of them. To replace a secret, name the old and the new file for a while."""
    providers: tuple[str, ...] = PROVIDERS
    """The Git hosts from which a push is accepted; `gitea` is also Forgejo."""

    def __post_init__(self) -> None:
        if not self.secret_files:
            raise ValueError("secret_files: name at least one file; to accept no webhooks, leave `webhook` out")
        if unknown := set(self.providers) - set(PROVIDERS):
            raise ValueError(f"providers: {', '.join(sorted(unknown))} is not one of {', '.join(PROVIDERS)}")


class BadPayload(ValueError):
    """The signature is right, but the body is not as the Git host documents it."""


@dataclass(frozen=True)
class Ignored:
    """A delivery that moves no ref."""

    why: str


def sender(headers: Mapping[str, str]) -> Host | None:
    """The Git host that sent these headers, or None. Their names are in lower case."""
    return next((host for host in HOSTS if host.sent(headers)), None)


def provider(headers: Mapping[str, str]) -> str | None:
    """The name of the Git host that sent these headers, or None."""
    host = sender(headers)
    return host.name if host else None


def delivery(headers: Mapping[str, str]) -> str | None:
    """The id of this delivery, or None. A repetition has the same id."""
    host = sender(headers)
    return first(headers, host.deliveries) if host else None


def claims(headers: Mapping[str, str]) -> bool:
    """Whether the request has a signature or token at all. If not, its body need not be read."""
    host = sender(headers)
    return host is not None and first(headers, host.proofs) is not None


def authentic(headers: Mapping[str, str], body: bytes, secrets: tuple[bytes, ...]) -> bool:
    """Whether one of ``secrets`` has signed the request. Each comparison takes constant time."""
    host = sender(headers)
    return host is not None and any(host.authentic(headers, body, secret) for secret in secrets if secret)


def parse(headers: Mapping[str, str], body: bytes) -> Push | Ignored:
    """Read a delivery whose signature is right. Raises BadPayload."""
    host = sender(headers)
    if host is None:
        raise BadPayload(f"no header of {', '.join(known.title for known in HOSTS)} says which event this is")
    if first(headers, host.events) in host.pings:
        return Ignored("a ping: the webhook works")
    payload = _payload(headers, body)
    event = host.event(headers, payload)
    if event not in host.pushes:
        return Ignored(f"{event[:80]!r} is not a push")
    try:
        return replace(host.read(payload), provider=host.name, delivery=delivery(headers))
    except (KeyError, TypeError, AttributeError) as error:
        raise BadPayload(f"not a push as {host.name} describes it: {type(error).__name__} {error}") from error


def _payload(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    try:
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            # GitHub's default content type.
            body = parse_qs(body.decode(), max_num_fields=10)["payload"][0].encode()
        payload = json.loads(body)
    except (ValueError, KeyError, RecursionError) as error:
        raise BadPayload(f"the body is not JSON: {type(error).__name__}") from error
    if not isinstance(payload, dict):
        raise BadPayload("the body is not a JSON object")
    return payload
