"""Webhooks of Git hosts: what a delivery says, which refs it concerns, and who is believed."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from gitsync.webhooks.host import Push
from gitsync.webhooks.hosts import HOSTS, PROVIDERS, BadPayload, Ignored, WebhookOptions, authentic, parse
from tests.unit.deliveries import (
    EACH_HOST,
    MAIN,
    NEW,
    NONE,
    PUSHES,
    SECRET,
    SECRETS,
    TAG,
    Delivery,
    azure_devops,
    bitbucket,
    cloud_change,
    codecommit,
    data_center,
    github,
    gitlab,
    gitlab_signed,
)


@pytest.mark.parametrize(
    ("delivery", "said"),
    [
        *(pytest.param(*case, id=name) for name, case in PUSHES.items()),
        pytest.param(github(TAG), Push("team/dags", {TAG: NEW}, "main", provider="github"), id="github-tag"),
        pytest.param(github(after=NONE), Push("team/dags", {MAIN: None}, "main", provider="github"), id="deleted"),
        pytest.param(
            gitlab(TAG, kind="tag_push"), Push("team/dags", {TAG: NEW}, "main", provider="gitlab"), id="gitlab-tag"
        ),
        pytest.param(
            bitbucket(cloud_change("tag", "v1", NEW), cloud_change("branch", "old", None)),
            Push("team/dags", {TAG: NEW, "refs/heads/old": None}, provider="bitbucket"),
            id="bitbucket-cloud-several",
        ),
        pytest.param(
            azure_devops(NONE), Push("dags", {MAIN: None}, "main", provider="azure-devops"), id="azure-deleted"
        ),
        pytest.param(azure_devops(event="build.complete"), Ignored("'build.complete' is not a push"), id="azure-build"),
        pytest.param(
            codecommit("referenceDeleted"), Push("dags", {MAIN: None}, provider="codecommit"), id="codecommit-deleted"
        ),
        pytest.param(
            codecommit("pullRequestCreated"), Ignored("'pullRequestCreated' is not a push"), id="codecommit-pr"
        ),
        pytest.param(codecommit(detail=["x"]), Ignored("'' is not a push"), id="codecommit-else"),
        pytest.param(github(event="ping"), Ignored("a ping: the webhook works"), id="github-ping"),
        pytest.param(data_center("diagnostics:ping"), Ignored("a ping: the webhook works"), id="bitbucket-ping"),
        pytest.param(github(event="issues"), Ignored("'issues' is not a push"), id="github-issue"),
        pytest.param(gitlab(kind="note"), Ignored("'note' is not a push"), id="gitlab-note"),
    ],
)
def test_what_a_delivery_says(delivery: Delivery, said: Push | Ignored) -> None:
    assert parse(delivery.lower(), delivery.body) == said


def test_every_host_is_tried() -> None:
    assert {said.provider for _delivery, said in PUSHES.values()} == {*PROVIDERS}


def test_github_may_send_a_form() -> None:
    delivery = github()
    body = b"payload=" + quote(delivery.body).encode()
    headers = {**delivery.lower(), "content-type": "application/x-www-form-urlencoded"}
    assert parse(headers, body) == parse(delivery.lower(), delivery.body)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"", "the body is not JSON", id="empty"),
        pytest.param(b"\xff\xfe", "the body is not JSON", id="no-text"),
        pytest.param(b"[" * 100_000, "the body is not JSON", id="deep"),
        pytest.param(b"[]", "not a JSON object", id="list"),
        pytest.param(b"{}", "not a push as github describes it", id="nothing-in-it"),
        pytest.param(b'{"ref": 1, "after": "", "repository": {"full_name": "x"}}', "a string is wanted", id="number"),
        pytest.param(b'{"ref": "x", "after": "x", "repository": []}', "not a push", id="wrong-shape"),
    ],
)
def test_what_is_malformed_is_named(body: bytes, why: str) -> None:
    with pytest.raises(BadPayload, match=why):
        parse(github().lower(), body)


@pytest.mark.parametrize(
    ("push", "ref", "concerned"),
    [
        pytest.param(github(), "main", True, id="branch"),
        pytest.param(github(), "refs/heads/main", True, id="full-name"),
        pytest.param(github("refs/heads/dev"), "main", False, id="another-branch"),
        pytest.param(github(TAG), "v1", True, id="tag"),
        pytest.param(github(TAG), "tags/v1", True, id="short-tag"),
        pytest.param(github(), "heads/main", True, id="short-branch"),
        pytest.param(github(TAG), "heads/v1", False, id="a-tag-is-no-branch"),
        pytest.param(github("refs/heads/main2"), "main", False, id="longer-name"),
        pytest.param(github(), "HEAD", True, id="default-branch"),
        pytest.param(github("refs/heads/dev"), "HEAD", False, id="not-the-default-branch"),
        pytest.param(bitbucket(), "HEAD", True, id="default-branch-unknown"),
        pytest.param(github(), NEW, False, id="a-commit-never-moves"),
    ],
)
def test_which_refs_a_push_concerns(push: Delivery, ref: str, concerned: bool) -> None:
    said = parse(push.lower(), push.body)
    assert isinstance(said, Push)
    assert said.concerns(ref) is concerned


@pytest.mark.parametrize("delivery", EACH_HOST)
def test_only_who_knows_a_secret_is_believed(delivery: Delivery) -> None:
    headers = delivery.lower()
    assert authentic(headers, delivery.body, SECRETS)
    for unknown in ((b"another",), (b"",), ()):
        assert not authentic(headers, delivery.body, unknown)
    proofs = headers.keys() & {proof for host in HOSTS for proof in host.proofs}
    assert proofs, "the delivery has none of the headers that `proofs` of its host names"
    for tampered in (
        "",
        "sha256=",
        "v1,",
        "0" * 64,
        "Basic",
        "Basic x",
        "Basic YXp1cmUtZGV2b3Bz",
        "Basic Y29kZWNvbW1pdDo=",
    ):
        assert not authentic({**headers, **dict.fromkeys(proofs, tampered)}, delivery.body, SECRETS)


UNSIGNED = {"gitlab", "azure-devops", "codecommit"}
"""Deliveries with a secret word, and without a signature of the body."""


@pytest.mark.parametrize("delivery", [case for case in EACH_HOST if case.id not in UNSIGNED])
def test_what_was_signed_cannot_be_changed(delivery: Delivery) -> None:
    assert not authentic(delivery.lower(), delivery.body + b" ", SECRETS)


def test_a_signature_of_gitlab_covers_its_name_and_time() -> None:
    headers = gitlab_signed().lower()
    for name in ("webhook-id", "webhook-timestamp"):
        assert not authentic({**headers, name: "1"}, gitlab_signed().body, SECRETS)
    assert not authentic({**headers, "x-gitlab-token": SECRET.decode(), "webhook-signature": "v1,x"}, b"", SECRETS)


def test_sha1_is_not_enough() -> None:
    headers = {name: value for name, value in github().lower().items() if name != "x-hub-signature-256"}
    assert not authentic(headers, github().body, SECRETS)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param({"secret_files": ()}, "name at least one file", id="no-secret"),
        pytest.param({"secret_files": ("x",), "providers": ("github", "sourceforge")}, "sourceforge", id="provider"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        WebhookOptions(**options)
