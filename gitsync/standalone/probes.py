"""What the kubelet and Prometheus ask: one small HTTP server in a thread of its own."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from gitsync.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitsync.standalone.state import State


class Probes(ThreadingHTTPServer):
    """``/`` is 503 until the first sync, as upstream; ``/readyz`` after an error too; ``/livez`` if the loop hangs."""

    daemon_threads = True

    def __init__(self, bind: str, state: State, *, patience: float, metrics: Callable[[], bytes] | None) -> None:
        """``patience`` is in seconds: without a sync for longer, the loop hangs. Raises SettingsError."""
        host, _colon, port = bind.rpartition(":")
        try:
            super().__init__((host.strip("[]"), int(port)), _Handler)
        except (OSError, ValueError, OverflowError) as error:
            raise SettingsError(f"--http-bind={bind} cannot be served: {error}; use [address]:port") from error
        self.state = state
        self.patience = patience
        self.metrics = metrics

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="http", daemon=True).start()

    def answer(self, path: str) -> tuple[HTTPStatus, bytes]:
        match path:
            case "/":
                return _verdict(None if self.state.revision else "not synced yet")
            case "/readyz":
                return _verdict(self._unready())
            case "/livez":
                hangs = not self.state.settled and time.monotonic() - self.state.beat > self.patience
                return _verdict(f"no sync has ended for {self.patience:.0f} s" if hangs else None)
            case "/metrics" if self.metrics is not None:
                return HTTPStatus.OK, self.metrics()
        return HTTPStatus.NOT_FOUND, b"no such page\n"

    def _unready(self) -> str | None:
        if self.state.error is not None:
            return str(self.state.error)
        return None if self.state.revision else "not synced yet"


def _verdict(trouble: str | None) -> tuple[HTTPStatus, bytes]:
    return (HTTPStatus.SERVICE_UNAVAILABLE, f"{trouble}\n".encode()) if trouble else (HTTPStatus.OK, b"ok\n")


class _Handler(BaseHTTPRequestHandler):
    server: Probes

    def do_GET(self) -> None:
        code, body = self.server.answer(self.path.partition("?")[0])
        with suppress(ConnectionError):  # a probe that has given up waiting
            self.send_response(code)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Probes are not worth a line."""
