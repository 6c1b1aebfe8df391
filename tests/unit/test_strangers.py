"""Requests that never end or never begin, and bodies that no parser should read: the controller stays at work."""

from __future__ import annotations

import gzip
import socket
from typing import TYPE_CHECKING

import pytest

from gitsync.server import bodies, connections
from tests.unit.serving import MEMBER, OPERATOR, Served, serve
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HALF = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-More: "


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return serve(tmp_path)


def half(served: Served, sent: bytes = HALF) -> socket.socket:
    """A connection that has sent the beginning of a request."""
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE)
    connection.sendall(sent)
    return connection


def closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True


@pytest.mark.parametrize("sent", [b"", b"G", HALF], ids=["nothing", "a-letter", "half"])
def test_a_request_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.2)
    served = serve(tmp_path)
    with half(served, sent) as connection:
        assert closed(connection)


def test_a_drop_now_and_then_buys_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.2)
    served = serve(tmp_path)
    with half(served) as connection:
        connection.settimeout(0.02)

        def dripped() -> bool:
            try:
                connection.sendall(b"x")
                return connection.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        eventually(dripped, "the connection is closed")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(connections, "MOST_IDLE", 8)
    return 8


def test_a_crowd_of_half_requests_leaves_the_rest_at_work(served: Served, few: int) -> None:
    """The oldest make room. Nobody who sends a whole request is turned away."""
    crowd = [half(served) for _ in range(4 * few)]
    try:
        # Connections of one burst are all accepted; the next one closes what was too much.
        assert [served.ask("GET", "/livez").status for _ in range(2)] == [200, 200]
        assert all(closed(connection) for connection in crowd[: 3 * few])
        assert is_open(crowd[-1])
    finally:
        for connection in crowd:
            connection.close()


@pytest.fixture
def poll(served: Served) -> Iterator[socket.socket]:
    """A member's poll, which waits for a directive."""
    report = b'{"pod_uid": "u", "heard": "%s"}' % heard(served).encode()
    head = f"POST /v1/members/dags/worker-0 HTTP/1.1\r\nHost: x\r\nAuthorization: {MEMBER['Authorization']}\r\n"
    with half(served, f"{head}Content-Length: {len(report)}\r\n\r\n".encode() + report) as connection:
        # The server takes requests in the order of their arrival, so the poll runs when this one is answered.
        assert served.ask("GET", "/livez").status == 200
        yield connection


def heard(served: Served) -> str:
    answer = served.ask("POST", "/v1/members/dags/worker-0", MEMBER, b'{"pod_uid": "u"}')
    return answer.text.partition('"serial": "')[2].partition('"')[0]


def test_a_crowd_does_not_take_the_place_of_polls(served: Served, few: int, poll: socket.socket) -> None:
    crowd = [half(served) for _ in range(4 * few)]
    try:
        assert served.ask("GET", "/livez").status == 200
        assert is_open(poll)
    finally:
        for connection in crowd:
            connection.close()


PAGES = ["/v1/members/dags/worker-0", "/v1/sources/dags/suspend"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 500 + b"]" * 500, b"\xff", b"{", b'{"pod_uid":1e999}']
)
def test_no_body_is_a_defect_of_the_controller(
    served: Served, page: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    token = MEMBER if "members" in page else OPERATOR
    assert served.ask("POST", page, token, body).status == 400
    assert not caplog.records


@pytest.mark.parametrize("page", [*PAGES, "/git/dags.git/git-upload-pack"])
def test_no_more_of_any_body_is_read_than_its_limit(tmp_path: Path, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LIMIT", 1000)
    monkeypatch.setattr(bodies, "GIT_LIMIT", 1000)
    served = serve(tmp_path, mirrors={"dags": tmp_path})
    token = OPERATOR if "suspend" in page else MEMBER
    assert served.ask("POST", page, token, iter([b"x" * 600] * 2)).status == 413


@pytest.mark.parametrize("page", [*PAGES, "/git/dags.git/git-upload-pack"])
def test_no_body_is_waited_for_without_end(tmp_path: Path, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.1)
    served = serve(tmp_path, mirrors={"dags": tmp_path})
    token = (OPERATOR if "suspend" in page else MEMBER)["Authorization"]
    head = f"POST {page} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 9\r\n\r\n"
    with half(served, head.encode()) as connection:
        assert connection.recv(12) == b"HTTP/1.1 408"


@pytest.mark.parametrize("page", PAGES)
def test_no_compressed_body_is_unpacked(served: Served, page: str) -> None:
    """65 kB of it are 64 MiB: unpacking the rest of a few refused ones kept the server from answering probes."""
    token = MEMBER if "members" in page else OPERATOR
    bomb = gzip.compress(bytes(2 * bodies.LIMIT))
    answer = served.ask("POST", page, {**token, "Content-Encoding": "gzip"}, bomb)
    assert (answer.status, answer.text) == (415, "send the body without Content-Encoding\n")
