"""Starts, stops and removes the node. Every step checks the state first, so each command can be run at any time."""

from __future__ import annotations

import errno
import resource
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hack.lab.node import (
    build,
    certificates,
    cgroups,
    cluster,
    configuration,
    health,
    images,
    leftovers,
    network,
    pods,
    prerequisites,
    processes,
)
from hack.lab.node.programs import PROGRAMS, Binaries, Program, programs
from hack.progress import step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hack.lab.node.plan import Plan
    from hack.progress import Step

OPEN_FILES = 65536
STOP_LIMIT = 10.0
READY_LIMIT = 120.0
STAGES = ("containerd", "kube-apiserver")
"""Programs that must be ready before the next ones are started."""

NEEDS = {
    "kube-apiserver": ("etcd", "kube-apiserver"),
    "kubelet": ("containerd", "kube-apiserver", "kubelet"),
}


@contextmanager
def alone(plan: Plan) -> Iterator[None]:
    """Let only one command at a time work on a node, from any checkout.

    The lock is the name of a Unix socket in the kernel. It has no file, and is free as soon as its holder ends.
    """
    with socket.socket(socket.AF_UNIX) as lock:
        if not _take(lock, plan.name):
            with step(f"waiting for another command on the node {plan.name}") as current:
                while not _take(lock, plan.name):
                    current.tick("it has not ended")
                    time.sleep(0.2)
        yield


def _take(lock: socket.socket, name: str) -> bool:
    try:
        lock.bind(f"\0{name}.lock")
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def up(plan: Plan) -> None:
    machine = prerequisites.prepare()
    binaries = build.build(plan.cache)
    _allow_open_files()
    with alone(plan):
        with step("preparing certificates and configuration") as current:
            _prepare_files(plan, machine, binaries, current)
        with step("preparing the network"):
            fresh = network.prepare(plan)
        wanted = programs(plan, binaries)
        _stop_outdated(plan, wanted, fresh=fresh)
        _start_missing(plan, binaries, wanted)
        _finish(plan, binaries)


def down(plan: Plan) -> None:
    with alone(plan), step(f"stopping the node {plan.name}") as current:
        before = processes.running(plan)
        # First the programs that would start pods again, last those that others need.
        _stop_programs(plan, ("kubelet", "kube-scheduler", "kube-controller-manager"))
        pods.stop(plan, current)
        _stop_programs(plan, tuple(reversed(PROGRAMS)))
        cgroups.kill(plan.cgroup, cgroups.PROGRAMS, limit=20.0)
        current.result = "" if before else "it was not running"


def clean(plan: Plan) -> None:
    with alone(plan):
        with step(f"killing the processes of the node {plan.name}"):
            cgroups.kill(plan.cgroup, "", limit=30.0)
        with step("removing its mounts, links and control groups"):
            leftovers.unmount(plan)
            network.remove(plan)
            cgroups.remove(plan.cgroup)
        with step("removing its files") as current:
            leftovers.remove_files(plan, current)


def problems(plan: Plan, binaries: Binaries) -> dict[str, str]:
    """The fault of each program; an empty text if it has none."""
    alive = {process.program for process in processes.running(plan)}
    return {name: health.problem(plan, binaries, name) if name in alive else "not running" for name in PROGRAMS}


def _prepare_files(plan: Plan, machine: configuration.Machine, binaries: Binaries, current: Step) -> None:
    for folder in (plan.state, plan.run):
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    (plan.state / "etcd").mkdir(exist_ok=True, mode=0o700)
    (plan.logs / "pods").mkdir(parents=True, exist_ok=True)
    certificates.prepare(plan, current)
    for path, text in configuration.files(plan, machine, binaries.cni, images.pause_image()).items():
        certificates.write_private(path, text)


def _allow_open_files() -> None:
    """Raise the limit of open files, which programs inherit. A shell's is often 1024, too few for a broker in a pod."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _stop_outdated(plan: Plan, wanted: list[Program], *, fresh: bool) -> None:
    found = processes.running(plan)
    for program in reversed(wanted):
        same = [process for process in found if process.program == program.name]
        if same and not processes.is_current(plan, program, same):
            with step(f"stopping {program.name}, its settings or its network have changed"):
                processes.stop(same, STOP_LIMIT)
    if fresh and cgroups.members(plan.cgroup, cgroups.PODS):
        with step("stopping the pods, their network is gone"):
            pods.kill(plan)


def _start_missing(plan: Plan, binaries: Binaries, wanted: list[Program]) -> None:
    with step("starting the node's programs") as current:
        alive = {process.program for process in processes.running(plan)}
        for program in wanted:
            if program.name not in alive:
                processes.start(plan, program, binaries.path)
            if program.name in STAGES:
                _wait_healthy(plan, binaries, program.name, current)
            if program.name == "containerd":
                images.load_pause(plan, binaries)
            if program.name == "kube-apiserver":
                _apply_objects(plan, binaries, current)
        started = [program.name for program in wanted if program.name not in alive]
        current.result = ", ".join(started) or "all are running"


def _apply_objects(plan: Plan, binaries: Binaries, current: Step) -> None:
    """Declare the name service and the volumes. It comes before the start of CoreDNS, which needs the rights in it.

    It may take several attempts: a new API server may be ready a moment before the namespace kube-system exists.
    """
    _wait(
        plan,
        "the name service and the volumes cannot be declared",
        lambda: health.error_of(lambda: cluster.apply_objects(plan, binaries)),
        NEEDS["kube-apiserver"],
        current,
    )


def _finish(plan: Plan, binaries: Binaries) -> None:
    with step("waiting for the node to be ready") as current:
        for name in PROGRAMS:
            _wait_healthy(plan, binaries, name, current)
        _wait(
            plan,
            "the kubelet has not looked at its pods",
            lambda: health.stale_pods(plan, binaries),
            ("containerd", "kubelet"),
            current,
        )
        if recycled := cluster.recycle_volumes(plan, binaries):
            current.result = f"volumes emptied for re-use: {', '.join(recycled)}"


def _wait_healthy(plan: Plan, binaries: Binaries, name: str, current: Step) -> None:
    needs = NEEDS.get(name, (name,))
    _wait(plan, f"{name} is not ready", lambda: health.problem(plan, binaries, name), needs, current)


def _wait(plan: Plan, what: str, check: Callable[[], str], needs: tuple[str, ...], current: Step) -> None:
    processes.wait_for(plan, what, check, needs, limit=READY_LIMIT, current=current)


def _stop_programs(plan: Plan, selected: tuple[str, ...]) -> None:
    for name in selected:
        processes.stop([process for process in processes.running(plan) if process.program == name], STOP_LIMIT)
