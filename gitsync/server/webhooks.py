"""What Git hosts say of a push: whether it is theirs, and which refs moved. No I/O, no clock.

Header and payload shapes: docs.github.com/webhooks, docs.gitlab.com/user/project/integrations/webhooks,
docs.gitea.com/usage/repository/webhooks, forgejo.org/docs/latest/user/webhooks, support.atlassian.com (Bitbucket Cloud,
"Event payloads") and confluence.atlassian.com (Bitbucket Data Center, "Event payload").
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003
from typing import Any, ClassVar
from urllib.parse import parse_qs

from gitsync.signing import signature

# Gitea and Forgejo send GitHub's headers as well, so theirs are looked for first.
_EVENT_HEADERS = {
    "gitea": ("x-gitea-event", "x-forgejo-event"),
    "gitlab": ("x-gitlab-event",),
    "bitbucket": ("x-event-key",),
    "github": ("x-github-event",),
}
_DELIVERY_HEADERS = {
    "gitea": ("x-gitea-delivery", "x-forgejo-delivery"),
    "gitlab": ("webhook-id", "idempotency-key", "x-gitlab-event-uuid"),
    "bitbucket": ("x-request-uuid", "x-request-id"),
    "github": ("x-github-delivery",),
}
_SIGNATURE_HEADERS = {
    "gitea": ("x-gitea-signature", "x-forgejo-signature", "x-hub-signature-256"),
    "bitbucket": ("x-hub-signature",),
    "github": ("x-hub-signature-256",),
}
PROVIDERS = tuple(_EVENT_HEADERS)
_PUSHES = {"push", "tag_push", "repo:push", "repo:refs_changed"}
_PINGS = {"ping", "diagnostics:ping"}
_NOTHING = re.compile("0+")
"""The commit id of a ref that is gone."""


@dataclass(frozen=True, kw_only=True)
class WebhookOptions:
    """Who may say that a source's ref has moved."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    secret_files: tuple[Path, ...]
    """Each holds a secret (GitLab: a token, or a signing token `whsec_…`), and any of them will do: one is replaced by
    having the old and the new one here for a while. They are read at each request."""
    providers: tuple[str, ...] = PROVIDERS

    def __post_init__(self) -> None:
        if not self.secret_files:
            raise ValueError("secret_files: name a file at least; leave `webhook` out to take none")
        if unknown := set(self.providers) - set(PROVIDERS):
            raise ValueError(f"providers: {', '.join(sorted(unknown))} is not one of {', '.join(PROVIDERS)}")


class BadPayload(ValueError):
    """Authentic, but not what the provider documents."""


@dataclass(frozen=True)
class Push:
    provider: str
    repository: str
    moved: Mapping[str, str | None]
    """Full ref name, such as ``refs/heads/main``: the new commit; None when the ref is gone."""
    default_branch: str | None = None
    """What ``HEAD`` is there, if the provider says so."""
    delivery: str | None = field(default=None, compare=False)

    def concerns(self, ref: str) -> bool:
        """Whether ``ref``, as a source's configuration names it, may have moved."""
        if ref == "HEAD":
            default = self.default_branch
            return default is None or f"refs/heads/{default}" in self.moved
        return not {ref, f"refs/heads/{ref}", f"refs/tags/{ref}"}.isdisjoint(self.moved)


@dataclass(frozen=True)
class Ignored:
    why: str


def provider(headers: Mapping[str, str]) -> str | None:
    """Who sent this, by its headers (lower case)."""
    return next((name for name, events in _EVENT_HEADERS.items() if _first(headers, events)), None)


def delivery(headers: Mapping[str, str]) -> str | None:
    """What names this delivery and its repetitions."""
    return _first(headers, _DELIVERY_HEADERS.get(provider(headers) or "", ()))


def claims(headers: Mapping[str, str]) -> bool:
    """Whether there is anything to verify: if not, the body need not be read."""
    sender = provider(headers)
    if sender == "gitlab":
        return bool(headers.get("webhook-signature") or headers.get("x-gitlab-token"))
    return sender is not None and _first(headers, _SIGNATURE_HEADERS[sender]) is not None


def authentic(headers: Mapping[str, str], body: bytes, secrets: tuple[bytes, ...]) -> bool:
    """Whether one of ``secrets`` was used; in a time that says nothing of how much of it was right."""
    sender = provider(headers)
    known = [secret for secret in secrets if secret]
    if sender == "gitlab":
        return any(_gitlab(headers, body, secret) for secret in known)
    if sender is None:
        return False
    given = (_first(headers, _SIGNATURE_HEADERS[sender]) or "").removeprefix("sha256=")
    return any(_same(given, hmac.new(secret, body, hashlib.sha256).hexdigest()) for secret in known)


def _gitlab(headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
    """GitLab's token, or, where a signing token is set up, a signature after standardwebhooks.com.

    Its timestamp is not compared with a clock here: a repeated delivery has no effect but another look.
    """
    if (signatures := headers.get("webhook-signature")) is None:
        return _same(headers.get("x-gitlab-token", ""), secret.decode(errors="surrogateescape"))
    try:
        wanted = signature(secret, headers.get("webhook-id", ""), headers.get("webhook-timestamp", ""), body)
    except ValueError:
        return False
    return any(_same(given, wanted) for given in signatures.split())


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), wanted.encode(errors="surrogateescape"))


def parse(headers: Mapping[str, str], body: bytes) -> Push | Ignored:
    """What an authentic delivery says. Raises BadPayload."""
    sender = provider(headers)
    if sender is None:
        raise BadPayload("none of the headers of GitHub, GitLab, Gitea, Forgejo or Bitbucket says which event this is")
    event = _first(headers, _EVENT_HEADERS[sender]) or ""
    if event in _PINGS:
        return Ignored("a ping: the webhook works")
    payload = _payload(headers, body)
    if sender == "gitlab":
        event = str(payload.get("object_kind") or payload.get("event_name"))
    if event not in _PUSHES:
        return Ignored(f"{event[:80]!r} is not a push")
    read = {"gitlab": _from_gitlab, "bitbucket": _from_bitbucket}.get(sender, _from_github)
    try:
        return read(sender, payload, delivery(headers))
    except (KeyError, TypeError, AttributeError) as error:
        raise BadPayload(f"not a push as {sender} describes it: {type(error).__name__} {error}") from error


def _payload(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    try:
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            # What GitHub sends unless told otherwise.
            body = parse_qs(body.decode(), max_num_fields=10)["payload"][0].encode()
        payload = json.loads(body)
    except (ValueError, KeyError, RecursionError) as error:
        raise BadPayload(f"the body is not JSON: {type(error).__name__}") from error
    if not isinstance(payload, dict):
        raise BadPayload("the body is not a JSON object")
    return payload


def _from_github(sender: str, payload: dict[str, Any], delivery: str | None) -> Push:
    repository = payload["repository"]
    moved = {_text(payload["ref"]): _commit(payload["after"])}
    return Push(sender, _text(repository["full_name"]), moved, repository.get("default_branch"), delivery)


def _from_gitlab(sender: str, payload: dict[str, Any], delivery: str | None) -> Push:
    project = payload["project"]
    moved = {_text(payload["ref"]): _commit(payload["after"])}
    return Push(sender, _text(project["path_with_namespace"]), moved, project.get("default_branch"), delivery)


def _from_bitbucket(sender: str, payload: dict[str, Any], delivery: str | None) -> Push:
    repository = payload["repository"]
    if "push" in payload:
        moved = dict(_of_cloud(change) for change in payload["push"]["changes"])
        name = repository["full_name"]
    else:
        moved = {_text(change["ref"]["id"]): _commit(change["toHash"]) for change in payload["changes"]}
        name = f"{repository['project']['key']}/{repository['slug']}"
    return Push(sender, _text(name), moved, None, delivery)


def _of_cloud(change: dict[str, Any]) -> tuple[str, str | None]:
    new = change["new"]
    ref = new or change["old"]
    prefix = "refs/tags/" if ref["type"] == "tag" else "refs/heads/"
    return prefix + _text(ref["name"]), _commit(new["target"]["hash"]) if new else None


def _commit(value: object) -> str | None:
    commit = _text(value)
    return None if _NOTHING.fullmatch(commit) else commit


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a string is wanted, not {type(value).__name__}")
    return value


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((headers[name] for name in names if headers.get(name)), None)
