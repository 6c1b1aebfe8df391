"""The gate as a server on a Unix socket: each connection carries one JSON request and one JSON answer, a line each."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gitsync.airflow.gate import confine, work
from gitsync.airflow.gate.children import PeerGone
from gitsync.airflow.gate.place import address
from gitsync.airflow.gate.processes import descends, sweep

if TYPE_CHECKING:
    from gitsync.airflow.gate.place import Scratch

SWEEP_SECONDS = 1.0
REQUEST_SECONDS = 10.0
LONGEST_REQUEST = 16 << 20
ENDING = (signal.SIGTERM, signal.SIGINT)


def serve(name: str, scratch: Scratch) -> None:
    """Serve at the socket ``name`` until SIGTERM or SIGINT, unless DAG code has sent it.

    This process runs no DAG code and reads no request. It forks a process for each connection, with Airflow already
    imported. A crash there does not affect the next connection.
    """
    about = work.about()
    confine.adopt_orphans()
    confine.hide_memory()
    # Taken one by one, because only then the sender is known.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as selector:
        listening.bind(address(name))
        listening.listen()
        selector.register(listening, selectors.EVENT_READ)
        try:
            _accept(listening, selector, about, scratch)
        finally:
            sweep(())


def _accept(
    listening: socket.socket, selector: selectors.BaseSelector, about: dict[str, Any], scratch: Scratch
) -> None:
    handlers: set[int] = set()
    while not _asked_to_end():
        asked = selector.select(SWEEP_SECONDS)
        handlers = _left(handlers, scratch)
        if asked:
            connection, _address = listening.accept()
            with connection:
                server, pid = os.getpid(), os.fork()
                if pid == 0:
                    _handle(server, listening, connection, about)
                handlers.add(pid)


def _left(handlers: set[int], scratch: Scratch) -> set[int]:
    """The handlers that still run. After the last one nothing stays of what DAG code has started or written."""
    left = {pid for pid in handlers if not os.waitpid(pid, os.WNOHANG)[0]}
    sweep(left)
    if handlers and not left:
        scratch.renew()
    return left


def _asked_to_end() -> bool:
    """Whether a signal has come from anybody but a descendant, which DAG code may be."""
    while (sent := signal.sigtimedwait(ENDING, 0)) is not None:
        if not descends(sent.si_pid, os.getpid()):
            return True
    return False


def _handle(server: int, listening: socket.socket, connection: socket.socket, about: dict[str, Any]) -> None:
    """Answer one request in a forked process; never returns."""
    status = 1
    try:
        listening.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        confine.die_with(server)
        confine.adopt_orphans()
        connection.settimeout(REQUEST_SECONDS)
        with contextlib.suppress(PeerGone, OSError):
            request = _request(connection)
            connection.sendall(json.dumps(answer(request, about, connection)).encode() + b"\n")
            status = 0
    finally:
        os._exit(status)


def _request(connection: socket.socket) -> dict[str, Any]:
    content = bytearray()
    while not content.endswith(b"\n"):
        chunk = connection.recv(1 << 16)
        if not chunk or len(content) > LONGEST_REQUEST:
            raise PeerGone
        content += chunk
    request: dict[str, Any] = json.loads(content)
    return request


def answer(request: dict[str, Any], about: dict[str, Any], peer: socket.socket | None) -> dict[str, Any]:
    """Answer a request whose ``do`` is ``parse``, ``check`` or ``about``. Raises PeerGone.

    The answer is ``{"about": …}``, with ``report`` or ``check`` in it, or ``{"refused": reason}``.
    """
    try:
        if request["do"] == "parse":
            return {"about": about, "report": work.parse(request, peer).as_json()}
        if request["do"] == "check":
            return {"about": about, "check": asdict(work.check(request, peer))}
    except (work.Unable, KeyError, TypeError, ValueError, OSError) as error:  # OSError: the scratch folder is full
        return {"refused": str(error)}
    return {"about": about}
