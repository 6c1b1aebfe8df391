"""python3 -m hack.lab.node.drill [CASE…]: breaks a node in every known way and checks that `up` repairs it.

It runs on the node named by KUBE_AIRFLOW_NODE, by default kube-airflow-test, and refuses people's own node.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from hack.lab.node import build, cgroups, cluster, images, leftovers, lifecycle, network, processes
from hack.lab.node import plan as names
from hack.lab.node.commands import run
from hack.lab.node.errors import NodeError
from hack.lab.node.pods import SHIM
from hack.lab.node.programs import PROGRAMS, Binaries, programs
from hack.progress import step

if TYPE_CHECKING:
    from collections.abc import Callable

    from hack.lab.node.plan import Plan

WORKLOAD_LIMIT = 120.0
NAMESPACE = "drill"


def kill(plan: Plan, program: str) -> None:
    for process in processes.running(plan):
        if process.program == program:
            os.kill(process.pid, signal.SIGKILL)


def kill_all(plan: Plan) -> None:
    cgroups.kill(plan.cgroup, "", limit=30.0)


def cut_power(plan: Plan) -> None:
    """Make the state after a reboot: no process, mount, link or namespace, but all files."""
    kill_all(plan)
    leftovers.unmount(plan)
    network.remove(plan)
    cgroups.remove(plan.cgroup)
    plan.namespace_file.touch()  # the empty file of a namespace, where /run is a disk


def lose_run_folder(plan: Plan) -> None:
    cut_power(plan)
    shutil.rmtree(plan.run)


def stop_without_limit(plan: Plan) -> None:
    """Stop etcd with SIGSTOP, so that it neither works nor reacts to SIGTERM. Then stop the node."""
    for process in processes.running(plan):
        if process.program == "etcd":
            os.kill(process.pid, signal.SIGSTOP)
    lifecycle.down(plan)


def expire_certificates(plan: Plan) -> None:
    pki = plan.pki
    run(
        *("openssl", "req", "-x509", "-key", str(pki / "apiserver.key"), "-subj", "/CN=old", "-days", "1"),
        *("-out", str(pki / "apiserver.crt")),
    )


def duplicate(plan: Plan) -> None:
    """Start a second scheduler, as an interrupted start may do."""
    binaries = build.binaries(plan.cache)
    again = next(program for program in programs(plan, binaries) if program.name == "kube-scheduler")
    processes.start(plan, again, binaries.path)


CASES: dict[str, Callable[[Plan], object]] = {
    **{f"kill -9 {name}": lambda plan, name=name: kill(plan, name) for name in (*PROGRAMS, SHIM)},  # type: ignore[misc] # a default argument has no type
    "kill -9 everything at once": kill_all,
    "reboot": cut_power,
    "reboot, /run empty": lose_run_folder,
    "namespace removed under a running node": network.remove,
    "link removed": lambda plan: run("ip", "link", "delete", plan.host_link),
    "packet filter emptied": lambda plan: run(*network.inside(plan), "nft", "flush", "ruleset"),
    "certificates lost": lambda plan: shutil.rmtree(plan.pki),
    "certificate near its end": expire_certificates,
    "configuration lost": lambda plan: shutil.rmtree(plan.configuration),
    "a program twice": duplicate,
    "down with a stopped etcd": stop_without_limit,
    "down": lifecycle.down,
    "clean": lifecycle.clean,
}


def workload(image: str) -> str:
    """A pod with a volume. It uses the pause image, which every node has."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    container = {"name": "pause", "image": image, "imagePullPolicy": "Never"}
    container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]  # type: ignore[assignment] # a new key
    stateful_set = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "drill", "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": {"app": "drill"}},
            "template": {"metadata": {"labels": {"app": "drill"}}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [namespace, stateful_set]})


def check(plan: Plan, binaries: Binaries) -> None:
    """Raise NodeError unless all programs work, the pod runs, and the node has a route to the pod."""
    if wrong := {name: text for name, text in lifecycle.problems(plan, binaries).items() if text}:
        raise NodeError(f"after `up`: {wrong}")
    cluster.kubectl(plan, binaries, "apply", "--server-side", "-f", "-", text=workload(images.pause_image()))
    rollout = ("rollout", "status", "statefulset/drill", "--namespace", NAMESPACE, f"--timeout={WORKLOAD_LIMIT:.0f}s")
    cluster.kubectl(plan, binaries, *rollout, limit=WORKLOAD_LIMIT + 10)
    _check_route(plan, binaries)


def _check_route(plan: Plan, binaries: Binaries) -> None:
    """Wait until the node has a route to the pod. The route shows that sandboxes of a lost network are replaced."""
    pod = json.loads(cluster.kubectl(plan, binaries, "get", "pod", "drill-0", "-n", NAMESPACE, "-o", "json"))
    address = pod["status"]["podIP"]
    deadline = time.monotonic() + WORKLOAD_LIMIT
    while not run("ip", "-n", plan.name, "route", "show", address).strip():
        if time.monotonic() > deadline:
            raise NodeError(f"the node has no route to the pod's address {address}")
        time.sleep(0.2)


def main() -> int:
    plan = names.plan_of(os.environ.get("KUBE_AIRFLOW_NODE", "kube-airflow-test"), names.cache_folder(os.environ))
    if plan.name == names.DEFAULT_NAME:
        raise SystemExit(f"the drill destroys what runs on its node: not on {plan.name}")
    selected = sys.argv[1:] or list(CASES)
    lifecycle.up(plan)
    for name in selected:
        with step(f"drill: {name}"):
            CASES[name](plan)
            lifecycle.up(plan)
            check(plan, build.binaries(plan.cache))
    with suppress(KeyboardInterrupt):
        lifecycle.clean(plan)
    return 0


if __name__ == "__main__":
    sys.exit(main())
