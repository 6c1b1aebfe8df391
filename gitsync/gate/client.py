"""The client for the gate's Unix socket."""

from __future__ import annotations

import json
import socket
from typing import Any

from gitsync.airflow.gate.place import ABOUT, address
from gitsync.errors import GateError, GateLost

CONNECT_SECONDS = 5.0
ABOUT_SECONDS = 30.0
LONGEST_ANSWER = 64 << 20
"""Bytes of an answer. The gate's limit for all reports is lower, and JSON adds some."""


class GateClient:
    """Sends each request over a connection of its own. ``name`` is the socket's, as the gate was given it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def about(self) -> object:
        """Airflow and the packages of the gate, while it works, too. Raises GateError and GateLost."""
        return _read(self._exchange(ABOUT, b"", ABOUT_SECONDS)).get("about")

    def ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Send a request, and return the answer, within ``timeout`` seconds.

        Raises GateError if the gate cannot be reached or cannot do the work, and GateLost if it ended during the work.
        """
        answer = _read(self._exchange("", json.dumps(request).encode() + b"\n", timeout))
        if "refused" in answer:
            raise GateError(f"the gate: {answer['refused']}")
        return answer

    def _exchange(self, socket_: str, request: bytes, timeout: float) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(CONNECT_SECONDS)
            try:
                connection.connect(address(self._name + socket_))
            except OSError as error:
                message = (
                    f"no gate answers at the socket {self._name} ({error}): look at the container gate of this pod"
                )
                raise GateError(message) from error
            connection.settimeout(timeout)
            try:
                if request:  # the other end may have said its line already, and be closed
                    connection.sendall(request)
                return _line(connection)
            except OSError as error:
                raise GateLost(
                    f"the gate ended or hung before it answered ({error or type(error).__name__})"
                ) from error


def _read(line: bytes) -> dict[str, Any]:
    """Raises GateLost."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise GateLost("the gate's answer is no JSON object")
    return answer


def _line(connection: socket.socket) -> bytes:
    content = bytearray()
    while not content.endswith(b"\n"):
        chunk = connection.recv(1 << 16)
        if not chunk:
            raise ConnectionResetError("connection closed")
        content += chunk
        if len(content) > LONGEST_ANSWER:
            raise ConnectionResetError(f"its answer has more than {LONGEST_ANSWER >> 20} MiB")
    return bytes(content)
