"""The member: keeps one pod's trees as the controller directs, and answers Airflow beside it.

Small on purpose: the standard library, Git as a program, one token; no Git or database credentials.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import random
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gitsync.errors import GitSyncError, RemoteError
from gitsync.git.command import REVISION
from gitsync.git.mirror import Mirror
from gitsync.git.remote import Remote
from gitsync.protocol import POLL_SECONDS, Directive, Report
from gitsync.trees.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

ANSWER_SECONDS = POLL_SECONDS + 10
KEEP_SECONDS = 3600.0
"""A tree younger than this is never removed: a run may have just asked for it."""
LONGEST_RETRY_SECONDS = 5.0


class Replica:
    """The trees of one pod. Two threads use it: the poll, and Airflow's questions."""

    def __init__(self, root: Path, remote: Callable[[], Remote]) -> None:
        self.store = Store(root)
        self._mirror = Mirror(root / ".repository")
        self._remote = remote
        self._writing = threading.Lock()

    def prepare(self) -> None:
        self.store.prepare()
        self._mirror.prepare()

    def stage(self, revision: str) -> None:
        """Have the tree of ``revision`` on the volume. Raises RemoteError or StoreError."""
        if self.store.has(revision):
            return
        with self._writing:
            if not self._mirror.exported(revision):
                self._mirror.take(self._remote(), revision)
            self.store.stage(revision, self._mirror.write_files)

    def follow(self, directive: Directive) -> None:
        """Have what ``directive`` says. Raises RemoteError or StoreError."""
        if directive.revision is not None:
            self.stage(directive.revision)
            if self.store.current() != directive.revision:
                self.store.flip(directive.revision)
                log.info("flipped", extra={"revision": directive.revision, "epoch": directive.epoch})
        for revision in directive.stage:
            self.stage(revision)
        if directive.keep is not None:
            kept = {*directive.keep, *directive.stage}
            for revision in self.store.remove_except(kept, older_than=KEEP_SECONDS):
                log.info("removed", extra={"revision": revision})


@dataclass(frozen=True)
class Controller:
    """The controller, as a member reaches it."""

    url: str
    pod: str
    """Our name."""
    token_file: Path
    """Read at each request, so that a rotated Secret needs no restart."""

    def _authorization(self) -> str:
        try:
            return f"Bearer {self.token_file.read_text().strip()}"
        except OSError as error:
            message = f"cannot read the token file {self.token_file}: {error.strerror}; check the Secret `gitsync`"
            raise RemoteError("CredentialsUnreadable", message) from error

    def remote(self, source: str) -> Remote:
        config = {"http.extraHeader": f"Authorization: {self._authorization()}"}
        return Remote(f"{self.url}/git/{source}.git", config=config)

    def ask(self, report: Report) -> Directive:
        """Report, and wait for what the controller has to say. Raises RemoteError."""
        headers = {"Authorization": self._authorization(), "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", f"/v1/members/{self.pod}", json.dumps(report.as_json()), headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != http.client.OK:
                message = f"the controller answers {answer.status}: {body[:200].decode(errors='replace').strip()}"
                raise RemoteError("ControllerRefused", message)
            return Directive.parse(json.loads(body))
        except (OSError, http.client.HTTPException, ValueError) as error:
            message = f"the controller at {self.url} does not answer: {error}"
            raise RemoteError("ControllerUnreachable", message) from error
        finally:
            connection.close()


class Sidecar:
    """Polls the controller and follows it."""

    def __init__(self, replica: Replica, controller: Controller, pod_uid: str) -> None:
        self.replica = replica
        self._controller = controller
        self._report = Report(pod_uid)
        self._trouble: str | None = None
        self.ready = threading.Event()
        """The controller has confirmed that this pod has what is published; never taken back while it runs."""

    def run(self) -> None:
        self.replica.prepare()
        failures = 0
        while True:
            try:
                self._turn()
                failures = 0
            except GitSyncError as error:
                self._say_once(str(error))
                failures += 1
                pause = min(0.1 * 2.0**failures, LONGEST_RETRY_SECONDS)
                # Spread, so that a controller that comes back is not met by all pods at once.
                time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311

    def _turn(self) -> None:
        asked = self._state()
        directive = self._controller.ask(asked)
        if directive.revision not in (None, asked.current):
            # The answer may have waited in a process that was stopped, and been taken back meanwhile.
            directive = self._controller.ask(replace(asked, heard=""))
        # A pod that joins during a publication is ready only once it has what was published meanwhile.
        if directive.revision is not None and asked.current == directive.revision:
            self.ready.set()
        self._report = replace(self._report, heard=directive.serial, error=None)
        try:
            self.replica.follow(directive)
        except GitSyncError as error:
            # Told to the controller, which defers and shows it; tried again when it answers.
            self._say_once(str(error))
            self._report = replace(self._report, error=str(error))
        else:
            self._trouble = None
        if directive.revision is not None and self.replica.store.current() == directive.revision:
            # Until we are ready the next answer must come at once: it is the one that confirms.
            heard = directive.serial if self.ready.is_set() else ""
            self._report = replace(self._report, epoch=directive.epoch, heard=heard)

    def _state(self) -> Report:
        store = self.replica.store
        return replace(self._report, current=store.current(), staged=tuple(sorted(store.staged())))

    def _say_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("trouble", extra={"error": trouble})
        self._trouble = trouble


class PodServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, sidecar: Sidecar, port: int) -> None:
        super().__init__(("", port), _Handler)
        self.sidecar = sidecar


class _Handler(BaseHTTPRequestHandler):
    """The pod's own questions: probes, and ``GET /revisions/<sha>`` from Airflow."""

    server: PodServer

    def do_GET(self) -> None:
        if self.path == "/livez":
            self._answer(HTTPStatus.OK, "ok")
        elif self.path == "/readyz":
            ready = self.server.sidecar.ready.is_set()
            self._answer(*((HTTPStatus.OK, "ok") if ready else (HTTPStatus.SERVICE_UNAVAILABLE, "no published tree")))
        elif self.path.startswith("/revisions/") and self.client_address[0] == "127.0.0.1":
            self._answer(*self._stage(self.path.removeprefix("/revisions/")))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "no such page")

    def _stage(self, revision: str) -> tuple[HTTPStatus, str]:
        if not REVISION.fullmatch(revision):
            return HTTPStatus.NOT_FOUND, "not a full commit id"
        try:
            self.server.sidecar.replica.stage(revision)
        except RemoteError as error:
            unknown = error.reason == "RefNotFound"
            return HTTPStatus.NOT_FOUND if unknown else HTTPStatus.SERVICE_UNAVAILABLE, str(error)
        except GitSyncError as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, str(error)
        return HTTPStatus.OK, "staged"

    def _answer(self, code: HTTPStatus, text: str) -> None:
        body = f"{text}\n".encode()
        with suppress(ConnectionError):  # a probe that has given up waiting
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Probes are not worth a line."""


def main(url: str, root: Path, source: str, token_file: Path, port: int) -> None:
    """Run until SIGTERM; the kubelet sends it after the pod's other containers have ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    controller = Controller(url.rstrip("/"), os.environ["POD_NAME"], token_file)
    replica = Replica(root, partial(controller.remote, source))
    sidecar = Sidecar(replica, controller, os.environ["POD_UID"])
    threading.Thread(target=PodServer(sidecar, port).serve_forever, name="http", daemon=True).start()
    sidecar.run()
