"""Runs gitsync's servers where the loopback has no IPv4 address. `test_ipv6.py` starts this in a network namespace.

The arguments are an empty directory, a Git repository with a branch `main`, and an earlier commit of it.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from gitsync.git.remote import Remote
from tests.ports import free_port
from tests.processes.cluster import get, publish, started
from tests.processes.standalone import Standalone
from tests.waiting import eventually


def a_sidecar_follows_its_controller(directory: Path, repository: Path, old: str) -> None:
    directory.mkdir()
    with started(directory) as cluster:
        revisions = [cluster.mirror.fetch(Remote(str(repository)), wanted) for wanted in ("main", old)]
        for revision in revisions:
            cluster.mirror.export(revision, str(repository))
        worker = cluster.join("worker-0")
        assert not publish(cluster, 1, revisions[0], worker)
        eventually(worker.ready, "the sidecar is ready")
        cluster.fleet.offer(old)
        assert worker.ask(f"/revisions/dags/{old}") == (200, "staged\n")
        for port in (cluster.port, worker.port):
            assert get(f"http://[::1]:{port}/livez") == (200, "ok\n")


def stand_alone_serves_probes(directory: Path, repository: Path) -> None:
    for host in ("", "[::]", "[::1]", "localhost"):
        port = free_port()
        gitsync = Standalone(directory / f"host{host}", repository)
        gitsync.directory.mkdir(parents=True)
        process = gitsync.start(f"--http-bind={host}:{port}")
        try:
            eventually(partial(_ready, port), f"{host!r} answers")
        finally:
            process.kill()
            process.wait()


def _ready(port: int) -> bool:
    return get(f"http://[::1]:{port}/readyz")[0] == 200


if __name__ == "__main__":
    where, origin = Path(sys.argv[1]), Path(sys.argv[2])
    a_sidecar_follows_its_controller(where / "cluster", origin, sys.argv[3])
    stand_alone_serves_probes(where / "alone", origin)
