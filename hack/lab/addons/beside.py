"""Runs an add-on's programs beside the node's own: in its network and control group, so that they end with the node."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

from hack.lab.addons import crds
from hack.lab.node import build, processes
from hack.lab.node.cluster import kubectl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hack.lab.node.plan import Plan
    from hack.lab.node.programs import Program
    from hack.progress import Step

GOES_SECONDS = 300.0
"""Time limit for Kubernetes to remove a kind or a namespace with all objects in it."""
STOP_SECONDS = 10.0
READY_SECONDS = 120.0
MANAGER = "kube-airflow-addons"
NO_FINALIZERS = '--patch={"metadata":{"finalizers":null}}'


def declare(plan: Plan, groups: Iterable[str], objects: list[dict[str, Any]]) -> None:
    """Apply the definitions of an add-on's kinds, and the objects that its programs need."""
    binaries = build.binaries(plan.cache)
    apply = ("apply", "--server-side", "--force-conflicts", f"--field-manager={MANAGER}")
    for group in groups:
        folder = crds.provide(plan.cache, crds.source(group))
        kubectl(plan, binaries, *apply, f"--filename={folder}")
        # kubectl fails on a definition that has no conditions yet, instead of waiting for the one that it is asked for.
        for state in ("jsonpath={.status.conditions}", "condition=Established"):
            kubectl(plan, binaries, "wait", f"--for={state}", f"--filename={folder}")
    content = {"apiVersion": "v1", "kind": "List", "items": objects}
    kubectl(plan, binaries, *apply, "--filename=-", text=json.dumps(content))


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def start(plan: Plan, programs: Iterable[Program], path: str = "") -> None:
    """Start the programs that do not run with their current command line. ``path`` is their search path."""
    found = processes.running(plan)
    for program in programs:
        same = [process for process in found if process.program == program.name]
        if not processes.is_current(plan, program, same):
            processes.stop(same, STOP_SECONDS)
            processes.start(plan, program, path or build.binaries(plan.cache).path)


def start_answering(plan: Plan, program: Program, place: str, current: Step, path: str = "") -> None:
    """Start a program, and wait until it answers at ``place``, as ``ADDRESS:PORT/PATH``."""
    start(plan, [program], path)
    what, needs = f"{program.name} does not answer", (program.name,)
    processes.wait_for(plan, what, lambda: _refusal(place), needs, limit=READY_SECONDS, current=current)


def _refusal(place: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{place}", timeout=5):
            return ""
    except OSError as error:
        return str(error)


def stop(plan: Plan, programs: Iterable[Program]) -> None:
    names = {program.name for program in programs}
    processes.stop([each for each in processes.running(plan) if each.program in names], STOP_SECONDS)


def forget(plan: Plan, groups: Iterable[str], name: str) -> None:
    """Remove a tool's kinds and its namespace. Finalizers go first, because the tool no longer handles them."""
    binaries = build.binaries(plan.cache)
    wanted = tuple(groups)
    for found in kubectl(plan, binaries, "get", "crds", "--output=name").split():
        kind = found.partition("/")[2]
        if kind.partition(".")[2] in wanted:
            for each in kubectl(plan, binaries, "get", kind, f"--namespace={name}", "--output=name").split():
                kubectl(plan, binaries, "patch", each, f"--namespace={name}", "--type=merge", NO_FINALIZERS)
            kubectl(plan, binaries, "delete", "crd", kind, limit=GOES_SECONDS)
    kubectl(plan, binaries, "delete", "namespace", name, "--ignore-not-found", limit=GOES_SECONDS)
