"""Webhooks at the server: every request gets an answer and has limits, and causes a look at most."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitsync.server import bodies, inbound
from gitsync.server.inbound import BURST, REMEMBERED
from gitsync.server.limits import Bucket, Seen
from gitsync.webhooks.hosts import WebhookOptions
from tests.unit.deliveries import EACH_HOST, NEW, OLD, SECRET, Delivery, digest, github, gitlab
from tests.unit.hooked import Hooked, hooked
from tests.unit.serving import serve
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.fixture
def hook(tmp_path: Path) -> Hooked:
    return hooked(tmp_path)


@pytest.mark.parametrize("delivery", EACH_HOST)
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
