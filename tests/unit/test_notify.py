"""Notices: their text in a line, their options, and that no error tells a secret."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gitsync.errors import GitSyncError
from gitsync.notify.commit_status import GitHubStatus, GitLabStatus
from gitsync.notify.options import NotifyOptions
from gitsync.notify.webhook import Webhook
from tests.unit.notices import DEFERRED, PUBLISHED, REFUSED, RUNS, UNDONE, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.notify.notice import Notice, Sink


@pytest.mark.parametrize(
    ("notice", "line"),
    [
        pytest.param(PUBLISHED, "published", id="published"),
        pytest.param(replace(DEFERRED, runs=RUNS[:1]), "deferred by run etl manual__1", id="one-run"),
        pytest.param(DEFERRED, "deferred by run etl manual__1 and 1 more", id="runs"),
        pytest.param(replace(DEFERRED, runs=(), message="no window"), "deferred: no window", id="window"),
        pytest.param(REFUSED, "refused: no valid signature", id="refused"),
        pytest.param(replace(REFUSED, message="two\n lines"), "refused: two lines", id="lines"),
        pytest.param(UNDONE, "taken back: no answer from worker-0", id="undone"),
        pytest.param(replace(REFUSED, message="x" * 200), "refused: " + "x" * 130 + "…", id="long"),
    ],
)
def test_a_notice_in_a_line(notice: Notice, line: str) -> None:
    assert notice.summary() == line
    assert len(line) <= 140


def test_options_come_from_plain_data(tmp_path: Path) -> None:
    """As a configuration file gives them."""
    options = TypeAdapter(NotifyOptions).validate_python({
        "webhooks": [{"url": "https://example.org/hook", "secret_file": "/secret", "kinds": ["published"]}],
        "github": {"repository": "team/dags", "token_file": "/token"},
        "gitlab": {"project": "team/dags", "token_file": "/token"},
        "touch_file": "/touch", "error_file": "/error",
    })  # fmt: skip
    assert [sink.label for sink in options.sinks()] == ["webhook", "github", "gitlab", "touch_file", "error_file"]
    assert [sink.wants(DEFERRED) for sink in options.sinks()] == [False, True, True, False, False]
    assert NotifyOptions().sinks() == ()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param({"webhooks": [{"url": "ftp://example.org"}]}, "url must be an address", id="scheme"),
        pytest.param({"webhooks": [{"url": "https:///x"}]}, "url must be an address", id="no-host"),
        pytest.param({"webhooks": [{"url": "https://example.org/a b"}]}, "url must be an address", id="space"),
        pytest.param({"webhooks": [{"url": "https://x", "method": "GET /"}]}, "method must be", id="method"),
        pytest.param({"webhooks": [{"url": "https://x", "timeout": 0}]}, "timeout must be", id="timeout"),
        pytest.param({"webhooks": [{"url": "https://x", "secret": "x"}]}, "secret", id="unknown-key"),
        pytest.param({"github": {"repository": "dags", "token_file": "/x"}}, "owner/name", id="repository"),
        pytest.param({"github": {"repository": "team/dags"}}, "token_file or github_app", id="github-token"),
        pytest.param({"gitlab": {"project": "team/dags"}}, "token_file", id="gitlab-token"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        TypeAdapter(NotifyOptions).validate_python(given)


def test_no_error_tells_a_secret(receiver: Receiver, tmp_path: Path) -> None:
    """Where the receiver refuses, is not there, or the key is unreadable: neither path, query, login, key nor token."""
    secret = tmp_path / "key"
    secret.write_text("s3cret-key")
    broken = tmp_path / "broken"
    broken.write_text("whsec_s3cret-key!")
    receiver.answer = lambda _seen: (500, {}, "s3cret-answer")
    login = receiver.url.replace("http://", "http://user:s3cret-login@")
    hooks: list[Sink] = [
        Webhook(url=f"{login}/s3cret-path?token=s3cret-query", secret_file=secret),
        Webhook(url=f"{receiver.url}/s3cret-path", secret_file=broken),
        Webhook(url="http://127.0.0.1:1/s3cret-path"),
        Webhook(url="https://user:s3cret-login@127.0.0.1:1/s3cret-path"),
        GitHubStatus(api_url=f"{receiver.url}/x", repository="team/dags", token_file=secret),
        GitLabStatus(api_url=f"{receiver.url}/x", project="team/dags", token_file=secret),
    ]
    for hook in hooks:
        with pytest.raises(GitSyncError) as caught:
            hook.send(PUBLISHED)
        assert "127.0.0.1" in str(caught.value)
        assert "s3cret" not in str(caught.value) + repr(hook)
