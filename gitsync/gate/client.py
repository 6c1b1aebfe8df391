"""The controller's side of the gate's socket."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

from gitsync.errors import GateError, GateLost

if TYPE_CHECKING:
    from pathlib import Path

CONNECT_SECONDS = 5.0


class GateClient:
    """Asks one question per connection."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        """The answer, within ``timeout`` seconds.

        Raises GateError when the gate cannot be reached or will not do it, GateLost when it ended half-way.
        """
        answer: dict[str, Any] = json.loads(self._exchange(json.dumps(request).encode() + b"\n", timeout))
        if "refused" in answer:
            raise GateError(f"the gate: {answer['refused']}")
        return answer

    def _exchange(self, request: bytes, timeout: float) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(CONNECT_SECONDS)
            try:
                connection.connect(str(self._path))
            except OSError as error:
                message = f"no gate answers at {self._path} ({error}): look at the container gate of this pod"
                raise GateError(message) from error
            connection.settimeout(timeout)
            try:
                connection.sendall(request)
                return _line(connection)
            except OSError as error:
                raise GateLost(
                    f"the gate ended or hung before it answered ({error or type(error).__name__})"
                ) from error


def _line(connection: socket.socket) -> bytes:
    content = bytearray()
    while not content.endswith(b"\n"):
        chunk = connection.recv(1 << 16)
        if not chunk:
            raise ConnectionResetError("connection closed")
        content += chunk
    return bytes(content)
