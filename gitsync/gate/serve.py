"""The gate as a server: one JSON request per connection to a Unix socket, one JSON answer, each a line."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from gitsync.gate import confine, work
from gitsync.gate.children import PeerGone, sweep

if TYPE_CHECKING:
    from pathlib import Path

SWEEP_SECONDS = 1.0
REQUEST_SECONDS = 10.0
LONGEST_REQUEST = 16 << 20


def serve(path: Path) -> None:
    """Until SIGTERM.

    This process runs no DAG code and reads no request: each connection has a process of its own, forked with Airflow
    imported, so that whatever happens there the next one is answered.
    """
    about = work.about()
    confine.adopt_orphans()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit())
    path.unlink(missing_ok=True)  # of a gate that was killed
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as selector:
        listening.bind(str(path))
        listening.listen()
        selector.register(listening, selectors.EVENT_READ)
        try:
            _accept(listening, selector, about)
        finally:
            path.unlink(missing_ok=True)
            sweep(())


def _accept(listening: socket.socket, selector: selectors.BaseSelector, about: dict[str, Any]) -> None:
    handlers: set[int] = set()
    while True:
        if selector.select(SWEEP_SECONDS if handlers else None):
            connection, _address = listening.accept()
            with connection:
                server, pid = os.getpid(), os.fork()
                if pid == 0:
                    _handle(server, listening, connection, about)
                handlers.add(pid)
        handlers -= {pid for pid in handlers if os.waitpid(pid, os.WNOHANG)[0]}
        sweep(handlers)


def _handle(server: int, listening: socket.socket, connection: socket.socket, about: dict[str, Any]) -> None:
    """Answer one request, as a process of its own; never returns."""
    status = 1
    try:
        listening.close()
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
    """``{"about": …}`` with ``report`` or ``check``, or ``{"refused": why}``. Raises PeerGone."""
    try:
        if request["do"] == "parse":
            return {"about": about, "report": work.parse(request, peer).as_json()}
        if request["do"] == "check":
            return {"about": about, "check": work.check(request, peer)}
    except (work.Refused, KeyError, TypeError, ValueError) as error:
        return {"refused": str(error)}
    return {"about": about}
