"""The server for probes, of sidecars and of stand-alone mode: strangers cannot hold it up, and its log stays JSON."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
from contextlib import ExitStack
from http import HTTPStatus

import pytest

from gitsync import listener
from gitsync.log import JsonFormatter
from gitsync.member import pod
from tests.ports import free_port
from tests.waiting import PATIENCE, eventually

HALF = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-More: "


class Pages(listener.Listener):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.closed = threading.Event()

    def shutdown_request(self, request: object) -> None:
        super().shutdown_request(request)
        self.closed.set()

    def answer(self, path: str, client: str) -> tuple[HTTPStatus, bytes]:
        if path == "/defect":
            raise ValueError("a defect")
        return HTTPStatus.OK, b"x" * 2**26 if path == "/large" else client.encode()


@pytest.fixture
def pages() -> Pages:
    server = Pages("", free_port())
    server.start()
    return server


def connected(server: Pages, sent: bytes = HALF) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=PATIENCE)
    connection.sendall(sent)
    return connection


def ask(server: Pages, path: str = "/livez", host: str = "127.0.0.1") -> str:
    connection = http.client.HTTPConnection(host, int(server.server_address[1]), timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def ended(connection: socket.socket) -> bool:
    """Whether the other side hangs up; half a request may first get an answer."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("sent", [b"", b"G", HALF], ids=["nothing", "a-letter", "half"])
def test_a_request_that_does_not_come_is_not_waited_for(
    pages: Pages, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(listener, "HEAD_SECONDS", 0.1)
    with connected(pages, sent) as connection:
        assert ended(connection)


def test_a_drop_now_and_then_buys_no_time(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_SECONDS", 0.1)
    with connected(pages) as connection:

        def dropped() -> bool:
            try:
                connection.sendall(b"x")
            except ConnectionError:
                return True
            return False

        eventually(dropped, "the connection is closed")


def test_an_answer_that_nobody_takes_is_given_up(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener._Handler, "timeout", 0.2)
    with connected(pages, b"GET /large HTTP/1.0\r\n\r\n"):
        assert pages.closed.wait(PATIENCE)


def test_a_crowd_of_half_requests_leaves_the_rest_at_work(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MOST_WAITING", 8)
    with ExitStack() as crowd:
        connections = [crowd.enter_context(connected(pages)) for _ in range(40)]
        assert ask(pages) == "127.0.0.1"
        assert all(ended(connection) for connection in connections[:30])
        eventually(lambda: len(pages._waiting) <= 8, "few wait")


def test_a_defect_is_one_line_of_the_log(
    pages: Pages, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        ask(pages, "/defect")
    eventually(lambda: caplog.records, "the defect is logged")
    line = JsonFormatter().format(caplog.records[0])
    assert "a defect" in json.loads(line)["exception"]
    assert caplog.records[0].levelno == logging.ERROR
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("bound", ["", "::"])
def test_every_address_is_of_both_families(bound: str, host: str) -> None:
    server = Pages(bound, free_port())
    server.start()
    assert ask(server, host=host) == host


def test_one_address_is_no_other() -> None:
    server = Pages("127.0.0.1", free_port())
    server.start()
    assert ask(server) == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        ask(server, host="::1")


def test_without_ipv6_in_the_kernel_ipv4_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    server = Pages("", free_port())
    server.start()
    assert ask(server) == "127.0.0.1"


def test_tasks_that_wait_for_revisions_leave_the_probes_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task may ask its sidecar as often as it likes. The DAG bundle asks again after a 503."""
    monkeypatch.setattr(pod, "MOST_STAGING", 0)
    with pod.PodServer({}, free_port()) as server:
        assert server.answer(f"/revisions/dags/{'a' * 40}", "::1")[0] == HTTPStatus.SERVICE_UNAVAILABLE
        assert b"other requests wait" in server.answer(f"/revisions/dags/{'a' * 40}", "127.0.0.1")[1]
        assert server.answer("/livez", "10.0.0.1") == (HTTPStatus.OK, b"ok\n")
        assert server.answer(f"/revisions/dags/{'a' * 40}", "10.0.0.1")[0] == HTTPStatus.NOT_FOUND
