"""Webhooks as Git hosts send them, from their documentation, with some of the fields."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from gitsync.webhooks.host import Push
from gitsync.webhooks.hosts import HOSTS

if TYPE_CHECKING:
    from collections.abc import Mapping

OLD, NEW, NONE = "a" * 40, "b" * 40, "0" * 40
MAIN, TAG = "refs/heads/main", "refs/tags/v1"
SECRET = b"a secret"
SIGNING_TOKEN = b"whsec_" + b64encode(b"32 bytes that nobody else knows.")


@dataclass(frozen=True)
class Delivery:
    headers: Mapping[str, str]
    body: bytes

    def named(self, name: str) -> Delivery:
        """Another delivery of the same."""
        known = {header for host in HOSTS for header in host.deliveries}
        changed = {header: name for header in self.headers if header.lower() in known}
        return replace(self, headers={**self.headers, **changed})

    def lower(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}


def digest(body: bytes, secret: bytes = SECRET) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def encoded(payload: object) -> bytes:
    return json.dumps(payload).encode()


def github(ref: str = "refs/heads/main", after: str = NEW, event: str = "push", **payload: Any) -> Delivery:
    repository = {"id": 1, "full_name": "team/dags", "private": True, "default_branch": "main"}
    document = {"ref": ref, "before": OLD, "after": after, "repository": repository, "commits": [], **payload}
    body = encoded(document)
    return Delivery(
        {
            "User-Agent": "GitHub-Hookshot/044aadd",
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "X-Hub-Signature": "sha1=" + hmac.new(SECRET, body, hashlib.sha1).hexdigest(),
            "X-Hub-Signature-256": f"sha256={digest(body)}",
        },
        body,
    )


def gitlab(ref: str = "refs/heads/main", after: str = NEW, kind: str = "push") -> Delivery:
    project = {"id": 15, "path_with_namespace": "team/dags", "default_branch": "main"}
    document = {
        "object_kind": kind, "event_name": kind, "before": OLD, "after": after, "ref": ref, "checkout_sha": after,
        "project": project, "total_commits_count": 1,
    }  # fmt: skip
    return Delivery(
        {
            "Content-Type": "application/json",
            "X-Gitlab-Event": "Tag Push Hook" if kind == "tag_push" else "Push Hook",
            "X-Gitlab-Event-UUID": "13792a34-cac6-4fda-95a8-c58e00a3954e",
            "X-Gitlab-Token": SECRET.decode(),
        },
        encoded(document),
    )


def gitlab_signed(token: bytes = SIGNING_TOKEN) -> Delivery:
    plain = gitlab()
    name, at = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f", "1760000000"
    signed = f"{name}.{at}.".encode() + plain.body
    key = b64decode(token.removeprefix(b"whsec_"))
    signature = b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    kept = {header: value for header, value in plain.headers.items() if header != "X-Gitlab-Token"}
    return Delivery(
        {**kept, "webhook-id": name, "webhook-timestamp": at, "webhook-signature": f"v1,other v1,{signature}"},
        plain.body,
    )


def gitea(ref: str = "refs/heads/main", after: str = NEW) -> Delivery:
    """Gitea and Forgejo send GitHub's headers too."""
    plain = github(ref, after)
    name = "f6266f16-1bf3-46a5-9ea4-602e06ead473"
    return Delivery(
        {
            "Content-Type": "application/json",
            "X-Gitea-Event": "push",
            "X-Gitea-Delivery": name,
            "X-Gitea-Signature": digest(plain.body),
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": name,
            "X-Hub-Signature-256": f"sha256={digest(plain.body)}",
        },
        plain.body,
    )


def gogs() -> Delivery:
    body = github().body
    return Delivery(
        {
            "Content-Type": "application/json",
            "X-Gogs-Event": "push",
            "X-Gogs-Delivery": "f6266f16-1bf3-46a5-9ea4-602e06ead473",
            "X-Gogs-Signature": digest(body),
        },
        body,
    )


def login(name: str, password: bytes = SECRET) -> dict[str, str]:
    given = b64encode(name.encode() + b":" + password).decode()
    return {"Content-Type": "application/json", "Authorization": f"Basic {given}"}


def azure_devops(new: str = NEW, event: str = "git.push") -> Delivery:
    repository = {"id": "278d5cd2", "name": "dags", "project": {"name": "team"}, "defaultBranch": "refs/heads/main"}
    updates = [{"name": MAIN, "oldObjectId": OLD, "newObjectId": new}]
    resource = {"commits": [], "refUpdates": updates, "repository": repository, "pushId": 14}
    payload = {"id": "03c164c2", "notificationId": 3, "eventType": event, "publisherId": "tfs", "resource": resource}
    return Delivery(login("azure-devops"), encoded(payload))


def codecommit(event: str = "referenceUpdated", **more: Any) -> Delivery:
    detail = {
        "event": event, "repositoryName": "dags", "repositoryId": "12345678", "referenceType": "branch",
        "referenceName": "main", "referenceFullName": MAIN, "commitId": NEW, "oldCommitId": OLD,
    }  # fmt: skip
    kind = "CodeCommit Repository State Change"
    payload = {"version": "0", "id": "01234567", "detail-type": kind, "source": "aws.codecommit", "detail": detail}
    return Delivery(login("codecommit"), encoded({**payload, **more}))


def forgejo() -> Delivery:
    body = github().body
    return Delivery(
        {
            "X-Forgejo-Event": "push",
            "X-Forgejo-Delivery": "f6266f16-1bf3-46a5-9ea4-602e06ead473",
            "X-Forgejo-Signature": digest(body),
            "X-GitHub-Event": "push",
        },
        body,
    )


def bitbucket(*changes: dict[str, Any]) -> Delivery:
    """Bitbucket Cloud."""
    changes = changes or (cloud_change("branch", "main", NEW),)
    repository = {"type": "repository", "full_name": "team/dags"}
    body = encoded({"push": {"changes": list(changes)}, "repository": repository, "actor": {"type": "user"}})
    return Delivery(
        {
            "User-Agent": "Bitbucket-Webhooks/2.0",
            "X-Event-Key": "repo:push",
            "X-Request-UUID": "e9a1a1f1-2c8e-4d0c-9e0f-6d1b1f3f9d55",
            "X-Hub-Signature": f"sha256={digest(body)}",
        },
        body,
    )


def cloud_change(kind: str, name: str, new: str | None) -> dict[str, Any]:
    def state(commit: str | None) -> dict[str, Any] | None:
        return None if commit is None else {"type": kind, "name": name, "target": {"type": "commit", "hash": commit}}

    return {"old": state(OLD), "new": state(new), "forced": False, "closed": new is None}


def data_center(event: str = "repo:refs_changed") -> Delivery:
    """Bitbucket Data Center."""
    ref = {"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"}
    change = {"ref": ref, "refId": ref["id"], "fromHash": OLD, "toHash": NEW, "type": "UPDATE"}
    repository = {"slug": "dags", "id": 84, "name": "dags", "project": {"key": "TEAM", "id": 1}}
    payload = {"eventKey": event, "repository": repository, "changes": [change]}
    body = encoded({"test": True} if event == "diagnostics:ping" else payload)
    return Delivery(
        {
            "X-Event-Key": event,
            "X-Request-Id": "b1f7ab31-0000-4a2d-9d8f-000000000000",
            "X-Hub-Signature": f"sha256={digest(body)}",
        },
        body,
    )


PUSHES = {
    "github": (github(), Push("team/dags", {MAIN: NEW}, "main", provider="github")),
    "gitlab": (gitlab(), Push("team/dags", {MAIN: NEW}, "main", provider="gitlab")),
    "gitlab-signed": (gitlab_signed(), Push("team/dags", {MAIN: NEW}, "main", provider="gitlab")),
    "gitea": (gitea(), Push("team/dags", {MAIN: NEW}, "main", provider="gitea")),
    "forgejo": (forgejo(), Push("team/dags", {MAIN: NEW}, "main", provider="gitea")),
    "gogs": (gogs(), Push("team/dags", {MAIN: NEW}, "main", provider="gogs")),
    "azure-devops": (azure_devops(), Push("dags", {MAIN: NEW}, "main", provider="azure-devops")),
    "codecommit": (codecommit(), Push("dags", {MAIN: NEW}, provider="codecommit")),
    "bitbucket-cloud": (bitbucket(), Push("team/dags", {MAIN: NEW}, provider="bitbucket")),
    "bitbucket-data-center": (data_center(), Push("TEAM/dags", {MAIN: NEW}, provider="bitbucket")),
}
"""Each host's push, and what it says. Every test of what all hosts have in common runs with each of them."""
DELIVERIES = {name: delivery for name, (delivery, _said) in PUSHES.items()}
EACH_HOST = [pytest.param(delivery, id=name) for name, delivery in DELIVERIES.items()]
SECRETS = (b"an earlier secret", SECRET, SIGNING_TOKEN)
