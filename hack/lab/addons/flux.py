"""Flux's source-controller and kustomize-controller, run beside the node's own programs. Other parts are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.lab.addons import beside, modules
from hack.lab.node import build
from hack.lab.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.plan import Plan

NAMESPACE = "flux-system"
GROUPS = ("source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io")
ARTIFACTS = "127.0.0.1:9090"
"""The address at which source-controller offers commits to kustomize-controller."""
HEALTH_PORTS = (9440, 9441)
"""A port for each program. By default both listen at the first."""
GATES = "CancelHealthCheckOnNewRevision=true"
"""With this gate, a newer commit does not wait for the health checks of a faulty one."""
RETRY = "5s"
"""Pause between two looks at the dependencies of a Kustomization, which get a new commit a moment later."""


def programs(plan: Plan) -> list[Program]:
    """The programs, in the order of their start."""
    storage = (f"--storage-path={artifacts(plan)}", f"--storage-addr={ARTIFACTS}", f"--storage-adv-addr={ARTIFACTS}")
    settings = ("env", f"KUBECONFIG={plan.admin_kubeconfig}", f"TMPDIR={artifacts(plan).parent}")
    reconciling = (f"--feature-gates={GATES}", f"--requeue-dependency={RETRY}")
    found = []
    for module, options, place in zip(modules.FLUX, (storage, reconciling), places(plan), strict=True):
        program = str(build.programs_of(plan.cache, module) / module.name)
        command = (*settings, program, "--metrics-addr=0", f"--health-addr={place}", *options)
        found.append(Program(module.name, command))
    return found


def places(plan: Plan) -> list[str]:
    """The addresses of the programs' health checks."""
    return [f"{plan.address}:{port}" for port in HEALTH_PORTS]


def artifacts(plan: Plan) -> Path:
    return plan.state / "flux" / "artifacts"


def up(plan: Plan) -> None:
    build.build_modules(plan.cache, modules.FLUX)
    with step("starting Flux") as current:
        beside.declare(plan, GROUPS, [beside.namespace(NAMESPACE)])
        artifacts(plan).mkdir(parents=True, exist_ok=True)
        for program, place in zip(programs(plan), places(plan), strict=True):
            beside.start_answering(plan, program, f"{place}/readyz", current)


def down(plan: Plan) -> None:
    """Stop the programs, and remove their objects. Deployed objects stay."""
    with step("removing Flux"):
        beside.stop(plan, programs(plan))
        beside.forget(plan, GROUPS, NAMESPACE)
