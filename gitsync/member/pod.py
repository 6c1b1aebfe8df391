"""The sidecar's HTTP server, for its own pod: probes, and Airflow's requests for a revision."""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError, RemoteError
from gitsync.listener import Listener
from gitsync.revision import REVISION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitsync.member.follower import Follower

Answer = tuple[HTTPStatus, str]

LOOPBACK = ("127.0.0.1", "::1")
MOST_STAGING = 64
"""Requests for a revision that may wait at the same time. Airflow asks again after a 503."""


class PodServer(Listener):
    """
    ``GET /livez``                        200: the sidecar runs
    ``GET /readyz``                       200: the trees of all sources are up to date
    ``GET /revisions/<source>/<sha>``     stage a revision; 200: it is staged. Only for this pod.
    """

    def __init__(self, followers: Mapping[str, Follower], port: int) -> None:
        super().__init__("", port)
        self.followers = followers
        self._staging = threading.BoundedSemaphore(MOST_STAGING)

    def answer(self, path: str, client: str) -> tuple[HTTPStatus, bytes]:
        code, text = self._answer(path, client)
        return code, f"{text}\n".encode()

    def _answer(self, path: str, client: str) -> Answer:
        if path == "/livez":
            return HTTPStatus.OK, "ok"
        if path == "/readyz":
            return self._readiness()
        if path.startswith("/revisions/") and client in LOOPBACK:
            return self._in_turn(*path.removeprefix("/revisions/").rpartition("/")[::2])
        return HTTPStatus.NOT_FOUND, "no such page"

    def _readiness(self) -> Answer:
        if waiting := sorted(source for source, follower in self.followers.items() if not follower.ready):
            return HTTPStatus.SERVICE_UNAVAILABLE, f"not caught up: {', '.join(waiting)}"
        return HTTPStatus.OK, "ok"

    def _in_turn(self, source: str, revision: str) -> Answer:
        if not self._staging.acquire(blocking=False):
            return HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_STAGING} other requests wait for a revision; ask again"
        try:
            return self._staged(source, revision)
        finally:
            self._staging.release()

    def _staged(self, source: str, revision: str) -> Answer:
        if not REVISION.fullmatch(revision):
            return HTTPStatus.NOT_FOUND, "not a full commit id"
        if not source and len(self.followers) == 1:
            source = next(iter(self.followers))
        if source not in self.followers:
            # Not 404: the DAG bundle takes a 404 for a revision that is lost for ever.
            return HTTPStatus.SERVICE_UNAVAILABLE, f"this sidecar has no source {source!r}: {', '.join(self.followers)}"
        try:
            self.followers[source].replica.stage(revision)
        except RemoteError as error:
            unknown = error.reason == "RefNotFound"
            return HTTPStatus.NOT_FOUND if unknown else HTTPStatus.SERVICE_UNAVAILABLE, str(error)
        except GitSyncError as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, str(error)
        return HTTPStatus.OK, "staged"
