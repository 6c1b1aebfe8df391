"""A tool's programs beside the node's own: in its network, its control group, and gone with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hack.gitops import crds
from hack.node import build, processes
from hack.node.cluster import kubectl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hack.node.plan import Plan
    from hack.node.programs import Program

GOES_SECONDS = 300.0
"""What Kubernetes may take to remove a kind or a namespace and all that is in it."""
STOP_SECONDS = 10.0
NO_FINALIZERS = '--patch={"metadata":{"finalizers":null}}'


def declare(plan: Plan, groups: Iterable[str], objects: list[dict[str, Any]]) -> None:
    """Apply the definitions of a tool's kinds, and what its programs ask for."""
    binaries = build.binaries(plan.cache)
    for group in groups:
        folder = crds.provide(plan.cache, crds.source(group))
        kubectl(plan, binaries, "apply", "--server-side", "--force-conflicts", f"--filename={folder}")
    content = {"apiVersion": "v1", "kind": "List", "items": objects}
    kubectl(plan, binaries, "apply", "--server-side", "--filename=-", text=json.dumps(content))


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def start(plan: Plan, programs: Iterable[Program], path: str) -> None:
    """Start those that do not run; ``path`` is where they find what they call."""
    alive = {process.program for process in processes.running(plan)}
    for program in programs:
        if program.name not in alive:
            processes.start(plan, program, path)


def stop(plan: Plan, programs: Iterable[Program]) -> None:
    names = {program.name for program in programs}
    processes.stop([each for each in processes.running(plan) if each.program in names], STOP_SECONDS)


def forget(plan: Plan, groups: Iterable[str], name: str) -> None:
    """Remove a tool's kinds and its namespace; nobody is left who would see to the objects' finalizers."""
    binaries = build.binaries(plan.cache)
    wanted = tuple(groups)
    for found in kubectl(plan, binaries, "get", "crds", "--output=name").split():
        kind = found.partition("/")[2]
        if kind.partition(".")[2] in wanted:
            for each in kubectl(plan, binaries, "get", kind, f"--namespace={name}", "--output=name").split():
                kubectl(plan, binaries, "patch", each, f"--namespace={name}", "--type=merge", NO_FINALIZERS)
            kubectl(plan, binaries, "delete", "crd", kind, limit=GOES_SECONDS)
    kubectl(plan, binaries, "delete", "namespace", name, "--ignore-not-found", limit=GOES_SECONDS)
