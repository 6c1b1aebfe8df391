"""The gate as a server on two Unix sockets: one for work, one that says which Airflow answers.

A connection for work carries one JSON request and one JSON answer, a line each. The other socket sends a line at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from gitsync.airflow.gate import confine, work
from gitsync.airflow.gate.place import ABOUT, address
from gitsync.airflow.gate.processes import descends, sweep

if TYPE_CHECKING:
    from gitsync.airflow.gate.place import Scratch

WAIT_MILLISECONDS = 1000
REQUEST_SECONDS = 10.0
LONGEST_REQUEST = 16 << 20
ENDING = (signal.SIGTERM, signal.SIGINT)


class Handler(NamedTuple):
    """The process that does the work of one connection."""

    pid: int
    ended: int
    """A file descriptor that is ready to read when the process has ended."""
    connection: socket.socket


def serve(name: str, scratch: Scratch) -> None:
    """Serve at the socket ``name`` until SIGTERM or SIGINT, unless DAG code has sent it.

    This process runs no DAG code and reads no request. It forks a process for each connection, with Airflow already
    imported. A crash there does not affect the next connection.
    """
    about = json.dumps({"about": work.about()}).encode() + b"\n"
    confine.adopt_orphans()
    confine.hide_memory()
    # Taken one by one, because only then the sender is known.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    with _listening(name) as asked, _listening(name + ABOUT) as curious:
        try:
            _work(asked, curious, about, scratch)
        finally:
            sweep(())


def _listening(name: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(address(name))
    server.listen()
    return server


def _work(asked: socket.socket, curious: socket.socket, about: bytes, scratch: Scratch) -> None:
    """Do one piece of work at a time, so that no DAG code meets what other DAG code has left, or still writes."""
    handler: Handler | None = None
    while not _asked_to_end():
        ready = _ready(asked, curious, handler)
        if curious.fileno() in ready:
            _tell(curious, about)
        if handler is None and asked.fileno() in ready:
            handler = _handled(asked, curious)
        elif handler is not None and ready & {handler.ended, handler.connection.fileno()}:
            _finish(handler, scratch)
            handler = None
        sweep((handler.pid,) if handler else ())


def _ready(asked: socket.socket, curious: socket.socket, handler: Handler | None) -> set[int]:
    """The file descriptors that have something: a new connection, a handler's end, or a peer that went away."""
    poll = select.poll()
    poll.register(curious, select.POLLIN)
    if handler is None:
        poll.register(asked, select.POLLIN)
    else:
        poll.register(handler.ended, select.POLLIN)
        poll.register(handler.connection, 0)  # always tells of a closed connection, and of nothing else
    return {number for number, _events in poll.poll(WAIT_MILLISECONDS)}


def _tell(curious: socket.socket, about: bytes) -> None:
    with contextlib.suppress(OSError), curious.accept()[0] as connection:
        connection.send(about, socket.MSG_DONTWAIT)  # the line is shorter than a socket's buffer


def _handled(asked: socket.socket, curious: socket.socket) -> Handler:
    connection, _address = asked.accept()
    server, pid = os.getpid(), os.fork()
    if pid == 0:
        asked.close()
        curious.close()
        _handle(server, connection)
    return Handler(pid, os.pidfd_open(pid), connection)


def _finish(handler: Handler, scratch: Scratch) -> None:
    """Nothing stays of what DAG code has started or written. A handler whose peer went away ends, too."""
    os.close(handler.ended)
    handler.connection.close()
    sweep(())
    scratch.renew()


def _asked_to_end() -> bool:
    """Whether a signal has come from anybody but a descendant, which DAG code may be."""
    while (sent := signal.sigtimedwait(ENDING, 0)) is not None:
        if not descends(sent.si_pid, os.getpid()):
            return True
    return False


def _handle(server: int, connection: socket.socket) -> None:
    """Answer one request in a forked process; never returns."""
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        confine.die_with(server)
        confine.adopt_orphans()
        connection.settimeout(REQUEST_SECONDS)
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps(answer(_request(connection))).encode() + b"\n")
            status = 0
    finally:
        os._exit(status)


def _request(connection: socket.socket) -> dict[str, Any]:
    """Raises OSError if there is no whole request."""
    content = bytearray()
    while not content.endswith(b"\n"):
        chunk = connection.recv(1 << 16)
        if not chunk or len(content) > LONGEST_REQUEST:
            raise ConnectionAbortedError
        content += chunk
    request: dict[str, Any] = json.loads(content)
    return request


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request whose ``do`` is ``parse`` or ``check``.

    The answer is ``{"report": …}``, ``{"check": …}`` or ``{"refused": reason}``.
    """
    try:
        if request["do"] == "parse":
            return {"report": work.parse(request).as_json()}
        if request["do"] == "check":
            return {"check": asdict(work.check(request))}
    except (work.Unable, KeyError, TypeError, ValueError, OSError) as error:  # OSError: the scratch folder is full
        return {"refused": str(error)}
    return {"refused": f"it cannot do {request['do']!r}"}
