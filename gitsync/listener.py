"""A small HTTP server of the standard library for a few pages, such as probes. Strangers cannot hold it up.

It listens on IPv4 and IPv6. A request must come soon and whole, an answer must be taken soon, and connections without a
request are bounded.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from http import HTTPStatus

log = logging.getLogger(__name__)

HEAD_SECONDS = 15.0
"""Time in which a connection must bring the whole head of its request."""
WRITE_SECONDS = 15.0
"""Time in which a client must take the answer."""
MOST_WAITING = 64
"""Connections that may wait for their request. At the limit a new one takes the place of the oldest."""
EVERYWHERE = ("", "::")

Connection = Any
"""What socketserver calls a request: the connection's socket."""


class Listener(ThreadingHTTPServer):
    """Answers GET requests with `answer`, each in a thread of its own."""

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        """``host`` is a name or an address, without brackets; ``""`` and ``::`` are every address. Raises OSError."""
        super().__init__((host, port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = _listening(host, port)
        self.server_address = self.socket.getsockname()[:2]
        self._waiting: dict[Connection, float] = {}
        """The end of the time for each connection that has brought no whole head yet. The oldest come first."""
        self._changing = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="http", daemon=True).start()

    def answer(self, path: str, client: str) -> tuple[HTTPStatus, bytes]:
        """The status and the text for ``path``; ``client`` is the other side's address."""
        raise NotImplementedError

    def process_request(self, request: Connection, client_address: Any) -> None:  # noqa: ANN401 - as socketserver has it
        with self._changing:
            late = list(self._waiting)[: len(self._waiting) - MOST_WAITING + 1]
            self._waiting[request] = time.monotonic() + HEAD_SECONDS
        self._hang_up(late)
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Hang up on connections whose time is over. The server calls this twice a second."""
        now = time.monotonic()
        with self._changing:
            late = [connection for connection, end in self._waiting.items() if end < now]
        self._hang_up(late)

    def _hang_up(self, connections: list[Connection]) -> None:
        for connection in connections:
            self.has_come(connection)
            try:
                connection.shutdown(socket.SHUT_RDWR)  # its thread then reads the end
            except OSError:
                log.debug("http.gone")

    def has_come(self, connection: Connection) -> None:
        """Note that ``connection`` has brought its request, or is closed."""
        with self._changing:
            self._waiting.pop(connection, None)

    def shutdown_request(self, request: Connection) -> None:
        self.has_come(request)
        super().shutdown_request(request)

    def handle_error(self, request: Connection, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as socketserver has it
        """Log what a thread has raised. socketserver would print a traceback, which is no line of the log."""
        if not isinstance(sys.exc_info()[1], OSError):  # the client has gone
            log.exception("http.failed")


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    timeout = WRITE_SECONDS

    def do_GET(self) -> None:
        self.server.has_come(self.connection)
        code, body = self.server.answer(self.path, _address(self.client_address[0]))
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Log nothing: the kubelet sends probes all the time."""


def _listening(host: str, port: int) -> socket.socket:
    if host in EVERYWHERE and socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    family = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0][0]  # noqa: S104 - asked for
    return socket.create_server((host, port), family=family)


def _address(client: str) -> str:
    """``127.0.0.1`` of ``::ffff:127.0.0.1``, as a socket for both families names it."""
    return client.removeprefix("::ffff:")
