"""Notices as the status of a commit, at GitHub and at GitLab."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gitsync.access.github_app import GitHubApp
from gitsync.errors import NotDelivered
from gitsync.notify.commit_status import GitHubStatus, GitLabStatus
from tests.unit.notices import DEFERRED, FAILED, NEW, PUBLISHED, REFUSED, UNDONE, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.notify.notice import Notice


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("a-token\n")
    return file


@pytest.mark.parametrize(
    ("notice", "github", "gitlab", "description"),
    [
        pytest.param(PUBLISHED, "success", "success", "published", id="published"),
        pytest.param(DEFERRED, "pending", "pending", "deferred by run etl manual__1 and 1 more", id="deferred"),
        pytest.param(REFUSED, "failure", "failed", "refused: no valid signature", id="refused"),
        pytest.param(UNDONE, "error", "failed", "taken back: no answer from worker-0", id="undone"),
    ],
)
def test_a_commit_has_its_status(
    receiver: Receiver, token: Path, notice: Notice, github: str, gitlab: str, description: str
) -> None:
    receiver.answer = lambda _seen: (201, {}, "{}")
    page = "https://gitsync.example.org/"
    GitHubStatus(api_url=receiver.url, repository="team/dags", token_file=token, target_url=page).send(notice)
    GitLabStatus(api_url=receiver.url, project="team/dags", token_file=token).send(notice)
    at_github, at_gitlab = receiver.seen
    assert (at_github.method, at_github.path) == ("POST", f"/repos/team/dags/statuses/{NEW}")
    assert at_github.headers["Authorization"] == "Bearer a-token"
    assert (at_gitlab.method, at_gitlab.path) == ("POST", f"/projects/team%2Fdags/statuses/{NEW}")
    assert {name.lower(): value for name, value in at_gitlab.headers.items()}["private-token"] == "a-token"
    assert receiver.documents == [
        {"state": github, "description": description, "context": "gitsync/dags", "target_url": page},
        {"state": gitlab, "description": description, "name": "gitsync/dags"},
    ]


def test_a_status_is_of_a_revision(token: Path) -> None:
    status = GitHubStatus(repository="team/dags", token_file=token)
    assert [status.wants(notice) for notice in (PUBLISHED, FAILED)] == [True, False]


def test_a_github_app_sets_statuses(receiver: Receiver, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    receiver.answer = lambda seen: (
        201, {}, json.dumps({"token": "of-the-app", "expires_at": expires} if "access_tokens" in seen.path else {}),
    )  # fmt: skip
    app = GitHubApp(application_id=1, installation_id=2, private_key_file=key, base_url=receiver.url)
    status = GitHubStatus(api_url=receiver.url, repository="team/dags", github_app=app)
    status.send(DEFERRED)
    status.send(PUBLISHED)
    assert [seen.path.split("/")[1] for seen in receiver.seen] == ["app", "repos", "repos"]
    assert receiver.seen[-1].headers["Authorization"] == "Bearer of-the-app"


@pytest.mark.parametrize(
    ("status", "body", "delivered"),
    [
        pytest.param(201, "{}", True, id="created"),
        pytest.param(400, '{"message": "Cannot transition status via :enqueue from :pending"}', True, id="same-state"),
        pytest.param(400, '{"message": "state is invalid"}', False, id="bad-request"),
        pytest.param(404, "", False, id="unknown"),
    ],
)
def test_what_gitlab_answers(receiver: Receiver, token: Path, status: int, body: str, *, delivered: bool) -> None:
    receiver.answer = lambda _seen: (status, {}, body)
    gitlab = GitLabStatus(api_url=receiver.url, project="15", token_file=token)
    if delivered:
        gitlab.send(DEFERRED)
        return
    with pytest.raises(NotDelivered, match=f"status {status}"):
        gitlab.send(DEFERRED)
