"""Webhooks of Git hosts: whatever arrives, it is answered, it is bounded, and at most a remote is looked at sooner."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from gitsync.server import bodies, inbound
from gitsync.server.inbound import BURST, REMEMBERED
from gitsync.server.limits import Bucket, Seen
from gitsync.server.webhooks import BadPayload, Ignored, Push, WebhookOptions, authentic, parse
from tests.unit.deliveries import (
    NEW,
    NONE,
    OLD,
    SECRET,
    SIGNING_TOKEN,
    Delivery,
    bitbucket,
    cloud_change,
    data_center,
    digest,
    forgejo,
    gitea,
    github,
    gitlab,
    gitlab_signed,
)
from tests.unit.serving import Answer, Served, serve
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from pathlib import Path

MAIN, TAG = "refs/heads/main", "refs/tags/v1"
DELIVERIES = {
    "github": github(),
    "gitlab": gitlab(),
    "gitlab-signed": gitlab_signed(),
    "gitea": gitea(),
    "forgejo": forgejo(),
    "bitbucket-cloud": bitbucket(),
    "bitbucket-data-center": data_center(),
}
HOSTS = [pytest.param(delivery, id=name) for name, delivery in DELIVERIES.items()]
SECRETS = (b"an earlier secret", SECRET, SIGNING_TOKEN)


@pytest.mark.parametrize(
    ("delivery", "said"),
    [
        pytest.param(github(), Push("github", "team/dags", {MAIN: NEW}, "main"), id="github"),
        pytest.param(github(TAG), Push("github", "team/dags", {TAG: NEW}, "main"), id="github-tag"),
        pytest.param(github(after=NONE), Push("github", "team/dags", {MAIN: None}, "main"), id="github-deleted"),
        pytest.param(gitlab(), Push("gitlab", "team/dags", {MAIN: NEW}, "main"), id="gitlab"),
        pytest.param(gitlab(TAG, kind="tag_push"), Push("gitlab", "team/dags", {TAG: NEW}, "main"), id="gitlab-tag"),
        pytest.param(gitea(), Push("gitea", "team/dags", {MAIN: NEW}, "main"), id="gitea"),
        pytest.param(forgejo(), Push("gitea", "team/dags", {MAIN: NEW}, "main"), id="forgejo"),
        pytest.param(bitbucket(), Push("bitbucket", "team/dags", {MAIN: NEW}), id="bitbucket-cloud"),
        pytest.param(
            bitbucket(cloud_change("tag", "v1", NEW), cloud_change("branch", "old", None)),
            Push("bitbucket", "team/dags", {TAG: NEW, "refs/heads/old": None}),
            id="bitbucket-cloud-several",
        ),
        pytest.param(data_center(), Push("bitbucket", "TEAM/dags", {MAIN: NEW}), id="bitbucket-data-center"),
        pytest.param(github(event="ping"), Ignored("a ping: the webhook works"), id="github-ping"),
        pytest.param(data_center("diagnostics:ping"), Ignored("a ping: the webhook works"), id="bitbucket-ping"),
        pytest.param(github(event="issues"), Ignored("'issues' is not a push"), id="github-issue"),
        pytest.param(gitlab(kind="note"), Ignored("'note' is not a push"), id="gitlab-note"),
    ],
)
def test_what_a_delivery_says(delivery: Delivery, said: Push | Ignored) -> None:
    assert parse(delivery.lower(), delivery.body) == said


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


@pytest.mark.parametrize("delivery", HOSTS)
def test_only_who_knows_a_secret_is_believed(delivery: Delivery) -> None:
    headers = delivery.lower()
    assert authentic(headers, delivery.body, SECRETS)
    for unknown in ((b"another",), (b"",), ()):
        assert not authentic(headers, delivery.body, unknown)
    proofs = {name for name in headers if "signature" in name or "token" in name}
    for tampered in ("", "sha256=", "v1,", "0" * 64):
        assert not authentic({**headers, **dict.fromkeys(proofs, tampered)}, delivery.body, SECRETS)


@pytest.mark.parametrize("delivery", [case for case in HOSTS if case.id != "gitlab"])
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
        pytest.param({"secret_files": ()}, "name a file", id="no-secret"),
        pytest.param({"secret_files": ("x",), "providers": ("github", "sourceforge")}, "sourceforge", id="provider"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        WebhookOptions(**options)


def test_a_bucket_lets_a_burst_through_and_then_a_rate() -> None:
    bucket = Bucket(burst=2, per_second=0.5)
    assert [bucket.wait(10.0), bucket.wait(10.0), bucket.wait(10.0)] == [0, 0, 2]
    assert [bucket.wait(11.0), bucket.wait(12.0), bucket.wait(12.0)] == [1, 0, 2]
    assert [bucket.wait(9999.0), bucket.wait(9999.0), bucket.wait(9999.0)] == [0, 0, 2]


def test_the_oldest_names_are_forgotten() -> None:
    seen = Seen(2)
    for name in ("one", "two", "three"):
        seen.add(name)
    assert [name in seen for name in ("one", "two", "three")] == [False, True, True]


# -- served ----------------------------------------------------------------------------------------------------------


@dataclass
class Hooked:
    """A server whose source takes webhooks."""

    served: Served
    secret: Path
    looked: list[str | None] = field(default_factory=list)

    def send(self, delivery: Delivery, source: str = "dags") -> Answer:
        return self.served.ask("POST", f"/v1/webhooks/{source}", delivery.headers, delivery.body)


def hooked(directory: Path, **surface: Any) -> Hooked:  # noqa: ANN401
    secret, signing = directory / "secret", directory / "signing"
    secret.write_bytes(SECRET + b"\n")
    signing.write_bytes(SIGNING_TOKEN)
    options = WebhookOptions(secret_files=(directory / "missing", secret, signing))
    looked: list[str | None] = []
    served = serve(directory, **{"webhooks": {"dags": options}, "look": looked.append, **surface})
    return Hooked(served, secret, looked)


@pytest.fixture
def hook(tmp_path: Path) -> Hooked:
    return hooked(tmp_path)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Hooked:
    return hooked(tmp_path_factory.mktemp("fuzzed"))


@pytest.mark.parametrize("delivery", HOSTS)
def test_a_push_makes_the_source_look(hook: Hooked, delivery: Delivery) -> None:
    answer = hook.send(delivery)
    assert (answer.status, json.loads(answer.text)) == (202, {"looking": True})
    assert hook.looked == ["dags"]


@pytest.mark.parametrize(
    ("delivery", "why"),
    [
        pytest.param(github("refs/heads/dev"), "refs/heads/dev of team/dags; this source follows main", id="branch"),
        pytest.param(github(event="ping"), "a ping", id="ping"),
        pytest.param(github(event="star"), "not a push", id="another-event"),
    ],
)
def test_what_does_not_concern_the_source_is_ignored(hook: Hooked, delivery: Delivery, why: str) -> None:
    answer = hook.send(delivery)
    assert answer.status == 200
    assert why in json.loads(answer.text)["ignored"]
    assert hook.looked == []


def test_a_forged_push_has_no_effect(hook: Hooked) -> None:
    """1. signed with another secret; 2. changed on the way; 3. not signed; 4. the same push, signed, is believed."""
    body = github().body
    forged = Delivery({**github().headers, "X-Hub-Signature-256": f"sha256={digest(body, b'guess')}"}, body)
    changed = replace(github(), body=body.replace(NEW.encode(), OLD.encode()))
    unsigned = Delivery({"X-GitHub-Event": "push"}, body)
    assert [hook.send(delivery).status for delivery in (forged, changed, unsigned)] == [401, 401, 401]
    assert hook.looked == []
    assert hook.send(github()).status == 202


def test_a_replay_has_no_effect(hook: Hooked) -> None:
    assert hook.send(github()).status == 202
    answer = hook.send(github())
    assert (answer.status, json.loads(answer.text)) == (200, {"ignored": "this delivery has been received before"})
    assert hook.send(github().named("another")).status == 202
    assert hook.looked == ["dags", "dags"]


@pytest.fixture
def spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hooked:
    """What is taken from its bucket does not come back while a test runs, however slow the machine is."""
    monkeypatch.setattr(inbound, "PER_SECOND", 1e-6)
    return hooked(tmp_path)


def test_what_was_put_off_is_no_replay_when_it_comes_again(spent: Hooked) -> None:
    """A delivery that the flood limit refused may be sent again: it is refused as one too many, not as known."""
    for number in range(BURST):
        spent.send(github().named(str(number)))
    late = github().named("late")
    assert {spent.send(late).status for _ in range(2)} == {429}


def test_a_flood_is_bounded(spent: Hooked) -> None:
    answers = [spent.send(github().named(str(number))) for number in range(2 * BURST)]
    assert [answer.status for answer in answers] == [202] * BURST + [429] * BURST
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers[BURST:])
    assert len(spent.looked) == BURST
    assert spent.send(github(event="ping").named("ping")).status == 200


def test_memory_of_deliveries_is_bounded() -> None:
    seen = Seen(REMEMBERED)
    for number in range(3 * REMEMBERED):
        seen.add(str(number))
    assert sum(str(number) in seen for number in range(3 * REMEMBERED)) == REMEMBERED


@pytest.fixture(params=["leader", "standby"])
def entered(request: pytest.FixtureRequest, hook: Hooked, tmp_path: Path) -> Hooked:
    """The same, asked directly or through a standby."""
    if request.param == "leader":
        return hook
    return replace(hook, served=serve(tmp_path, leading=lambda: False, leader=lambda: hook.served.url))


def test_a_huge_body_is_refused_before_it_comes(hook: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 600)
    headers = {**github().headers, "Content-Length": str(bodies.LIMIT + 1)}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", hook.served.port), PATIENCE) as connection:
        connection.sendall(f"POST /v1/webhooks/dags HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        assert b" 413 " in connection.recv(65536).partition(b"\r\n")[0]


@pytest.mark.parametrize("announced", [True, False])
def test_no_more_of_a_huge_body_is_read_than_the_limit(entered: Hooked, *, announced: bool) -> None:
    chunk = b"x" * 65536
    count = bodies.LIMIT // len(chunk) + 1
    body = chunk * count if announced else iter([chunk] * count)
    answer = entered.served.ask("POST", "/v1/webhooks/dags", github().headers, body)
    assert answer.status == 413
    assert entered.looked == []


def test_a_slow_body_is_cut_off(entered: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.5)
    head = "".join(f"{name}: {value}\r\n" for name, value in {**github().headers, "Content-Length": "100"}.items())
    with socket.create_connection(("127.0.0.1", entered.served.port), PATIENCE) as connection:
        connection.sendall(f"POST /v1/webhooks/dags HTTP/1.1\r\nHost: x\r\n{head}\r\n{{".encode())
        assert b" 408 " in connection.recv(65536).partition(b"\r\n")[0]
    assert entered.looked == []


def test_an_unsigned_body_is_not_waited_for(hook: Hooked) -> None:
    with socket.create_connection(("127.0.0.1", hook.served.port), PATIENCE) as connection:
        connection.sendall(b"POST /v1/webhooks/dags HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        assert b" 401 " in connection.recv(65536).partition(b"\r\n")[0]


def test_many_slow_bodies_leave_the_rest_at_work(entered: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    """1. As many senders as there is room for say nothing more. 2. The next is put off. 3. Probes are answered."""
    monkeypatch.setattr(bodies, "BODY_SECONDS", 600)
    head = "".join(f"{name}: {value}\r\n" for name, value in {**github().headers, "Content-Length": "100"}.items())
    slow = []
    try:
        for _ in range(inbound.AT_ONCE):
            connection = socket.create_connection(("127.0.0.1", entered.served.port), PATIENCE)
            connection.sendall(f"POST /v1/webhooks/dags HTTP/1.1\r\nHost: x\r\n{head}\r\n{{".encode())
            slow.append(connection)
        eventually(lambda: entered.send(github(event="ping")).status == 429, "there is no room for another")
        assert entered.served.ask("GET", "/livez").status == 200
    finally:
        for connection in slow:
            connection.close()
    eventually(lambda: entered.send(github()).status == 202, "there is room again")


def test_a_secret_is_replaced_without_a_restart(hook: Hooked) -> None:
    hook.secret.write_bytes(b"the next one")
    assert hook.send(github()).status == 401
    body = github().body
    signed = {**github().headers, "X-Hub-Signature-256": f"sha256={digest(body, b'the next one')}"}
    assert hook.send(Delivery(signed, body)).status == 202


def test_an_empty_secret_lets_nobody_in(hook: Hooked) -> None:
    hook.secret.write_bytes(b"\n")
    empty = {"X-Hub-Signature-256": f"sha256={digest(github().body, b'')}"}
    assert hook.send(replace(github(), headers={**github().headers, **empty})).status == 401
    assert hook.send(replace(gitlab(), headers={**gitlab().headers, "X-Gitlab-Token": ""})).status == 401


def test_only_the_configured_hosts_are_believed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    options = WebhookOptions(secret_files=(tmp_path / "secret",), providers=("gitlab",))
    hook = hooked(tmp_path, webhooks={"dags": options})
    assert [hook.send(delivery).status for delivery in (github(), gitlab())] == [401, 202]


def test_a_source_without_webhooks_takes_none(hook: Hooked) -> None:
    assert hook.send(github(), source="more").status == 404


def test_a_malformed_push_is_answered_by_name(hook: Hooked) -> None:
    body = b'{"ref": "refs/heads/main"}'
    delivery = Delivery({**github().headers, "X-Hub-Signature-256": f"sha256={digest(body)}"}, body)
    answer = hook.send(delivery)
    assert answer.status == 400
    assert "not a push as github describes it" in answer.text


def test_a_standby_passes_webhooks_to_the_leader(hook: Hooked, tmp_path: Path) -> None:
    standby = serve(tmp_path, leading=lambda: False, leader=lambda: hook.served.url)
    forged = Delivery({**github().headers, "X-Hub-Signature-256": "sha256=0"}, github().body)
    assert [replace(hook, served=standby).send(delivery).status for delivery in (forged, github())] == [401, 202]
    assert hook.looked == ["dags"]


# -- fuzzed ----------------------------------------------------------------------------------------------------------

HEADERS = sorted({name for delivery in DELIVERIES.values() for name in delivery.lower()})
VALUES = some.sampled_from(["push", "ping", "repo:push", "Push Hook", "v1,", "sha256=", "application/json", ""])
TEXT = some.text(some.characters(min_codepoint=33, max_codepoint=255), max_size=20)
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3), inner, max_size=3),
)
KEYS = "ref after repository full_name project path_with_namespace push changes new old type name toHash object_kind"
SHAPED = some.recursive(
    JSON | some.just("refs/heads/main"),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(KEYS.split()), inner),
)
BODIES = some.binary(max_size=200) | SHAPED.map(lambda value: json.dumps(value).encode())


@some.composite
def deliveries(draw: some.DrawFn) -> Delivery:
    """A host's headers with some of them changed, a body that may make sense, and often a signature that is right."""
    known = draw(some.sampled_from(list(DELIVERIES.values())))
    body = draw(BODIES | some.just(known.body))
    headers = known.lower() | draw(some.dictionaries(some.sampled_from(HEADERS), VALUES | TEXT, max_size=3))
    if draw(some.booleans()):
        proofs = {name for name in HEADERS if "signature" in name}
        headers |= {**dict.fromkeys(proofs, f"sha256={digest(body)}"), "x-gitlab-token": SECRET.decode()}
        del headers["webhook-signature"]
    return Delivery(headers, body)


@settings(deadline=None, max_examples=500)
@given(deliveries())
def test_nothing_but_a_bad_payload_comes_of_any_delivery(delivery: Delivery) -> None:
    assert authentic(delivery.lower(), delivery.body, SECRETS) in (True, False)
    try:
        said = parse(delivery.lower(), delivery.body)
    except BadPayload:
        return
    assert isinstance(said, Push | Ignored)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries())
def test_any_delivery_gets_one_of_the_answers(fuzzed: Hooked, delivery: Delivery) -> None:
    looked = len(fuzzed.looked)
    answer = fuzzed.send(delivery)
    assert answer.status in (200, 202, 400, 401, 413, 429)
    assert len(fuzzed.looked) - looked == (answer.status == 202)
