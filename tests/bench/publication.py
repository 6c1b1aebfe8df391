"""Pushes to a running instance: how long until published and listed, how long the hold, how much memory.

python3 -m tests.bench.publication [PUSHES]     on the instance that `make up` made
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from hack.lab.stack.cluster import connected
from hack.operate.instance import Instance
from hack.operate.overlay import CHECKOUT
from tests.cluster.instances import UnderTest, eventually


def push_and_wait(dev: UnderTest, number: int) -> tuple[float, float, float]:
    """Seconds from a push to published and to listed by the API, and the length of the hold."""
    revision = dev.push_lock_dag(f"bench {time.time_ns()} {number}")
    began = time.monotonic()
    dev.instance.kubectl("exec", "statefulset/dev-gitsync", "--", "gitsync", "look")
    eventually(lambda: dev.published() == revision, "the push is published")
    published = time.monotonic() - began
    eventually(lambda: dev.airflow.ask("GET", "/dags/lock")["bundle_version"] == revision, "the push is listed")
    return published, time.monotonic() - began, dev.status()["last_hold_seconds"]


def memory(dev: UnderTest) -> list[tuple[str, str, float]]:
    """Working set of each container in MiB: resident memory of its processes, from inside."""
    script = "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {sum += $2} END {print sum / 1024}'"
    rows = []
    for pod in dev.instance.get("pods", "--selector", dev.instance.selector)["items"]:
        spec, name = pod["spec"], pod["metadata"]["name"]
        sidecars = [c for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"]
        for container in (*sidecars, *spec["containers"]):
            command = ("exec", name, "--container", container["name"], "--", "sh", "-c", script)
            text = dev.instance.cluster.run("--namespace", dev.instance.namespace, *command, check=False)
            if text.strip():
                rows.append((name, container["name"], float(text)))
    return rows


def main() -> None:
    pushes = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as directory:
        dev = UnderTest.connect(
            Instance.of_overlay(connected(), CHECKOUT / "overlays" / "dev"), Path(directory) / "dags"
        )
        figures = [push_and_wait(dev, number) for number in range(pushes)]
    names = ("push to published", "push to listed by the API", "hold")
    rows = [
        (name, statistics.median(values), max(values))
        for name, values in zip(names, zip(*figures, strict=True), strict=True)
    ]
    print(tabulate(rows, [f"{pushes} pushes", "median s", "max s"], floatfmt=".3f"))
    print()
    print(tabulate(memory(dev), ["pod", "container", "PSS MiB"], floatfmt=".0f"))


if __name__ == "__main__":
    main()
