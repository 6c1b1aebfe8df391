"""What the pod itself may ask its sidecar: probes, and Airflow's question for a revision."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError, RemoteError
from gitsync.git.command import REVISION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitsync.member.follower import Follower

Answer = tuple[HTTPStatus, str]


class PodServer(ThreadingHTTPServer):
    """
    ``GET /livez``                        it runs
    ``GET /readyz``                       every source is caught up
    ``GET /revisions/<source>/<sha>``     have that tree on the volume; from this pod only
    """

    daemon_threads = True

    def __init__(self, followers: Mapping[str, Follower], port: int) -> None:
        super().__init__(("", port), _Handler)
        self.followers = followers

    def answer(self, path: str, client: str) -> Answer:
        if path == "/livez":
            return HTTPStatus.OK, "ok"
        if path == "/readyz":
            return self._readiness()
        if path.startswith("/revisions/") and client == "127.0.0.1":
            return self._staged(*path.removeprefix("/revisions/").rpartition("/")[::2])
        return HTTPStatus.NOT_FOUND, "no such page"

    def _readiness(self) -> Answer:
        if waiting := sorted(source for source, follower in self.followers.items() if not follower.ready):
            return HTTPStatus.SERVICE_UNAVAILABLE, f"not caught up: {', '.join(waiting)}"
        return HTTPStatus.OK, "ok"

    def _staged(self, source: str, revision: str) -> Answer:
        if not REVISION.fullmatch(revision):
            return HTTPStatus.NOT_FOUND, "not a full commit id"
        if not source and len(self.followers) == 1:
            source = next(iter(self.followers))
        if source not in self.followers:
            # Not "not found", which would say that the revision can never be had.
            return HTTPStatus.SERVICE_UNAVAILABLE, f"this sidecar has no source {source!r}: {', '.join(self.followers)}"
        try:
            self.followers[source].replica.stage(revision)
        except RemoteError as error:
            unknown = error.reason == "RefNotFound"
            return HTTPStatus.NOT_FOUND if unknown else HTTPStatus.SERVICE_UNAVAILABLE, str(error)
        except GitSyncError as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, str(error)
        return HTTPStatus.OK, "staged"


class _Handler(BaseHTTPRequestHandler):
    server: PodServer

    def do_GET(self) -> None:
        code, text = self.server.answer(self.path, self.client_address[0])
        body = f"{text}\n".encode()
        with suppress(ConnectionError):  # a probe that has given up waiting
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Probes are not worth a line."""
