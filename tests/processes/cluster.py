"""A controller's HTTP server, and sidecars as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.controller.fleet import Fleet, Pod
from gitsync.errors import RemoteError
from gitsync.git.mirror import Mirror
from gitsync.git.remote import Remote
from gitsync.member.client import ControllerClient
from gitsync.member.follower import Follower
from gitsync.member.replica import Replica
from gitsync.protocol import Directive, MemberReport
from gitsync.server.app import Server
from gitsync.server.surface import Surface, Tokens
from tests.ports import free_port
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.conftest import Upstream


def get(url: str, token: str | None = None, method: str = "GET") -> tuple[int, str]:
    """Status and body; 0 when nobody listens."""
    request = urllib.request.Request(url, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


class CountingFleet(Fleet):
    def __init__(self) -> None:
        super().__init__(silent_after=60)
        self.count = 0
        self.reports: dict[str, MemberReport] = {}

    def report(self, pod: str, report: MemberReport) -> None:
        self.count += 1
        self.reports[pod] = report
        super().report(pod, report)


@dataclass
class Cluster:
    """One controller's server, and sidecars as processes."""

    root: Path
    mirror: Mirror
    fleet: CountingFleet
    more: Fleet
    """Of a second source, whose repository is the same."""
    port: int = 0
    looked: list[float] = field(default_factory=list)
    touched: dict[tuple[str, ...], list[str] | None] = field(default_factory=dict)
    """By revision and the one before it."""
    needed: set[str] = field(default_factory=set)
    """Revisions of old that runs ask for."""
    broken: bool = False
    """What is touched cannot be said."""
    stack: ExitStack = field(default_factory=ExitStack)
    _pods: tuple[Pod, ...] = ()

    def serve(self, *, leading: bool = True, leader: str | None = None) -> int:
        port = free_port()
        surface = Surface(
            fleets={"dags": self.fleet, "more": self.more},
            mirrors={"dags": self.mirror.directory, "more": self.mirror.directory},
            refs={"dags": "main", "more": "main"},
            status=lambda: {"sources": []},
            look=lambda _source: self.looked.append(time.monotonic()),
            order=lambda *_: {},
            explain=lambda *_: {},
            touched=self._touched_since,
            recall=self._recall,
            alive=lambda: True,
            leading=lambda: leading,
            leader=lambda: leader,
        )
        tokens = Tokens(member=self.root / "member", operator=self.root / "operator")
        Server(surface, tokens, port=port).start()
        eventually(lambda: get(f"http://localhost:{port}/livez")[0] == 200, "the server listens")
        return port

    def _touched_since(self, _source: str, revision: str, since: str) -> list[str] | None:
        if self.broken:
            raise RemoteError("Broken", "the rules of the repository cannot be read")
        return self.touched.get((revision, since), [])

    def _recall(self, source: str, revision: str) -> bool:
        if revision in self.needed:
            self.mirror.export(revision, "")
            {"dags": self.fleet, "more": self.more}[source].offer(revision)
        return revision in self.needed

    def join(self, pod: str, *sources: str, controller: int | None = None, newest: int = 3) -> Sidecar:
        """A sidecar for ``dags``, or for ``sources`` with a directory each below its root."""
        token_file = self.root / "member"
        sidecar = Sidecar(pod, self.root / pod, free_port())
        places = [f"--source={source}={sidecar.root / source}" for source in sources] or ["--root", str(sidecar.root)]
        command = [
            sys.executable, "-m", "gitsync", "sidecar", "--controller", f"http://localhost:{controller or self.port}",
            *places, "--token-file", str(token_file), "--port", str(sidecar.port), "--newest", str(newest),
        ]  # fmt: skip
        sidecar.command = command
        self._pods += (sidecar.pod,)
        for fleet in (self.fleet, self.more):
            fleet.see(self._pods)
        self.start(sidecar)
        return sidecar

    def start(self, sidecar: Sidecar) -> None:
        environment = {**os.environ, "POD_NAME": sidecar.name, "POD_UID": f"uid-{sidecar.name}"}
        with self._log(sidecar).open("ab") as log:
            process = subprocess.Popen(sidecar.command, env=environment, stderr=log)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        sidecar.process = process

    def restart(self, sidecar: Sidecar) -> None:
        assert sidecar.process is not None
        sidecar.process.kill()
        sidecar.process.wait()
        self.start(sidecar)

    def follow(self, pod: str) -> Follower:
        """A sidecar's inside, in this process."""
        controller = ControllerClient(f"http://localhost:{self.port}", "dags", pod, self.root / "member")
        replica = Replica(self.root / pod, controller.remote)
        replica.prepare()
        follower = Follower(replica, controller, f"uid-{pod}")
        threading.Thread(target=follower.run, daemon=True).start()
        return follower

    def _log(self, sidecar: Sidecar) -> Path:
        return self.root / f"{sidecar.name}.log"

    def log(self, sidecar: Sidecar) -> str:
        return self._log(sidecar).read_text()


@dataclass
class Sidecar:
    name: str
    root: Path
    port: int
    command: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    @property
    def pod(self) -> Pod:
        return Pod(self.name, f"uid-{self.name}", runs_airflow=True, leaving=False)

    @property
    def current(self) -> str | None:
        link = self.root / "current"
        return link.readlink().name if link.is_symlink() else None

    def ask(self, path: str) -> tuple[int, str]:
        return get(f"http://localhost:{self.port}{path}")

    def ready(self) -> bool:
        return self.ask("/readyz")[0] == 200


@contextmanager
def started(directory: Path) -> Iterator[Cluster]:
    (directory / "member").write_text("member-token\n")
    (directory / "operator").write_text("operator-token\n")
    mirror = Mirror(directory / "dags.git")
    mirror.prepare()
    cluster = Cluster(directory, mirror, CountingFleet(), Fleet(silent_after=60))
    with cluster.stack:
        cluster.port = cluster.serve()
        yield cluster


def publish(cluster: Cluster, epoch: int, revision: str, *sidecars: Sidecar) -> frozenset[str]:
    directive = Directive(epoch=epoch, revision=revision)
    cluster.fleet.direct(directive)
    return cluster.fleet.wait_until_at(directive, [sidecar.name for sidecar in sidecars], PATIENCE)


def fetch(cluster: Cluster, upstream: Upstream) -> str:
    revision = cluster.mirror.fetch(Remote(str(upstream.path)), "main")
    cluster.mirror.export(revision, str(upstream.path))
    return revision
