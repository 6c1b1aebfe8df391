"""Stand-alone gitsync and a sidecar beside upstream git-sync: the same repository, the same pushes, in one run.

python3 -m tests.bench.peer UPSTREAM [FILES ...]

UPSTREAM is the program, or a checkout or Git directory of github.com/kubernetes/git-sync that is built with Go.
FILES are sizes of repositories. The host is `git daemon` on this machine, so that its work counts for neither.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tabulate import tabulate

from gitsync.git.remote import Remote
from gitsync.protocol import Directive
from tests.bench import proc
from tests.bench.hosts import Host, host, until
from tests.bench.programs import Peers, Program, built
from tests.processes.cluster import started

if TYPE_CHECKING:
    from tests.processes.cluster import Cluster, Sidecar

PUSHES = 5
COMMITS = 20
WATCHED = 20.0
"""Seconds over which idle costs are counted."""
MEMBERS = (1, 10, 100)

Figures = dict[str, float]


def measure(peers: Peers, name: str, served: Host) -> Figures:
    """What one program costs."""
    figures: Figures = {}
    program = peers.make(name, served.url, f"{name}-{served.number}", "--period=1h")
    try:
        began = program.start()
        revision = served.git("rev-parse", "HEAD")
        figures["first sync, s"] = until(partial(program.shows, revision)) - began
        peers.unwrap()
        figures["push to published, s"] = statistics.median(_pushes(program, served, PUSHES))
        _pushes(program, served, COMMITS - PUSHES)
        figures[f"disk after {COMMITS} commits, MiB"] = proc.disk(program.root)
    finally:
        program.stop()
    return figures | _idle(peers, name, served, program.root.name)


def _pushes(program: Program, served: Host, count: int) -> list[float]:
    """Seconds of each, without the wait for the next poll: a signal asks for it."""
    seconds = []
    for _ in range(count):
        until(lambda: not proc.busy(program.pid))  # it may be cleaning up after the last
        time.sleep(0.5)
        revision = served.push()
        began = time.monotonic()
        program.look()
        seconds.append(until(partial(program.shows, revision)) - began)
    return seconds


def _idle(peers: Peers, name: str, served: Host, root: str) -> Figures:
    program = peers.make(name, served.url, root, "--period=1s")
    try:
        program.start()
        time.sleep(10)
        peers.unwrap()
        figures = {"idle CPU at period 1 s, ms/s": proc.idle_cpu(program.pid, WATCHED)}
        figures["memory, PSS MiB"], figures["memory, RSS MiB"] = proc.memory(program.pid)
        asked = served.requests()
        started = proc.programs_started(program.pid, WATCHED, program.root.with_name("trace"))
        figures["programs started per poll"] = started / max(1, served.requests() - asked)
    finally:
        program.stop()
    return figures


def publish(cluster: Cluster, served: Host, epoch: int) -> str:
    revision = cluster.mirror.fetch(Remote(served.url), "main")
    cluster.mirror.export(revision, served.url)
    cluster.fleet.direct(Directive(epoch=epoch, revision=revision))
    return revision


def _follows(sidecar: Sidecar, revision: str) -> bool:
    return sidecar.current == revision


def measure_sidecar(directory: Path, served: Host) -> Figures:
    """A sidecar's costs, and a push through a controller's server to it; without lock and gate."""
    figures: Figures = {}
    directory.mkdir()
    with started(directory) as cluster:
        revision = publish(cluster, served, 1)
        began = time.monotonic()
        sidecar = cluster.join("worker-0")
        figures["first sync, s"] = until(partial(_follows, sidecar, revision)) - began
        assert sidecar.process is not None
        seconds = []
        for epoch in range(2, 2 + COMMITS):
            revision = served.push()
            began = time.monotonic()
            publish(cluster, served, epoch)
            seconds.append(until(partial(_follows, sidecar, revision)) - began)
        figures["push to published, s"] = statistics.median(seconds)
        figures[f"disk after {COMMITS} commits, MiB"] = proc.disk(sidecar.root)
        time.sleep(2)
        figures["idle CPU at period 1 s, ms/s"] = proc.idle_cpu(sidecar.process.pid, WATCHED)
        figures["memory, PSS MiB"], figures["memory, RSS MiB"] = proc.memory(sidecar.process.pid)
        figures["programs started per poll"] = proc.programs_started(sidecar.process.pid, WATCHED, directory / "trace")
    return figures


def requests_of_upstream(peers: Peers, served: Host, members: int) -> float:
    """Requests at the host per minute, at upstream's own period of 10 s."""
    programs = [peers.make("upstream", served.url, f"many-{members}-{n}") for n in range(members)]
    with ExitStack() as stack:
        for program in programs:
            program.start()
            stack.callback(program.stop)
        revision = served.git("rev-parse", "HEAD")
        until(lambda: all(program.shows(revision) for program in programs))
        peers.unwrap()
        return _per_minute(served)


def requests_of_ours(directory: Path, served: Host, members: int) -> float:
    """The same with a controller that looks every 10 s, and members that follow it."""
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(10):
            cluster.mirror.fetch(Remote(served.url), "main")

    directory.mkdir()
    with started(directory) as cluster:
        revision = publish(cluster, served, 1)
        sidecars = [cluster.join(f"worker-{number}") for number in range(members)]
        until(lambda: all(_follows(sidecar, revision) for sidecar in sidecars))
        looking = threading.Thread(target=look)
        looking.start()
        try:
            return _per_minute(served)
        finally:
            stop.set()
            looking.join()


def _per_minute(served: Host) -> float:
    before, began = served.requests(), time.monotonic()
    time.sleep(3 * WATCHED)
    return 60 * (served.requests() - before) / (time.monotonic() - began)


def report(title: str, upstream: Figures, alone: Figures, sidecar: Figures) -> None:
    """One table; a ratio is how many times as much upstream's figure is."""
    rows = []
    for name, theirs in upstream.items():
        ours, member = alone.get(name), sidecar.get(name)
        ratios = [theirs / value if value else None for value in (ours, member)]
        rows.append([name, theirs, ours, member, *ratios])
    headers = [title, "upstream", "ours, stand-alone", "ours, sidecar", "upstream : stand-alone", "upstream : sidecar"]
    print(tabulate(rows, headers, floatfmt=".3g"), end="\n\n", flush=True)


def main() -> None:
    # As in the image.
    os.environ |= {"MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_MMAP_THRESHOLD_": "65536"}
    source, sizes = Path(sys.argv[1]), [int(size) for size in sys.argv[2:]] or [100, 20_000]
    with tempfile.TemporaryDirectory(prefix="peer.") as name:
        directory = Path(name)
        upstream = built(source, directory / "build")
        for files in sizes:
            place = directory / str(files)
            place.mkdir()
            with host(place, files) as served:
                peers = Peers(place, upstream)
                theirs, ours = measure(peers, "upstream", served), measure(peers, "ours", served)
                report(f"{files} files, one changed", theirs, ours, measure_sidecar(place / "controller", served))
        place = directory / "many"
        place.mkdir()
        with host(place, sizes[0]) as served:
            peers = Peers(place, upstream)
            label = "requests at the host per minute, {} members"
            theirs = {label.format(n): requests_of_upstream(peers, served, n) for n in MEMBERS}
            ours = {label.format(n): requests_of_ours(place / f"controller-{n}", served, n) for n in MEMBERS}
            report("period 10 s", theirs, {}, ours)


if __name__ == "__main__":
    main()
