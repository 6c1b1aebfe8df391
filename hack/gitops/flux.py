"""Flux's source-controller and kustomize-controller beside the node's own programs, without any other of Flux's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.gitops import beside, modules
from hack.node import build
from hack.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from pathlib import Path

    from hack.node.plan import Plan

NAMESPACE = "flux-system"
GROUPS = ("source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io")
ARTIFACTS = "127.0.0.1:9090"
"""Where one of the two has commits for the other."""
QUIET = ("--metrics-addr=0", "--health-addr=0")
"""Nobody asks for either, and both programs would listen at the same ports."""
GATES = "CancelHealthCheckOnNewRevision=true"
"""A commit that cannot become ready does not hold up the one that cures it."""
RETRY = "5s"
"""Between two looks at what a Kustomization depends on, which has each new commit a moment later."""


def programs(plan: Plan) -> list[Program]:
    """In the order of their start."""
    storage = (f"--storage-path={artifacts(plan)}", f"--storage-addr={ARTIFACTS}", f"--storage-adv-addr={ARTIFACTS}")
    settings = ("env", f"KUBECONFIG={plan.admin_kubeconfig}", f"TMPDIR={artifacts(plan).parent}")
    return [
        Program(module.name, (*settings, str(build.programs_of(plan.cache, module) / module.name), *QUIET, *options))
        for module, options in (
            (modules.SOURCE_CONTROLLER, storage),
            (modules.KUSTOMIZE_CONTROLLER, (f"--feature-gates={GATES}", f"--requeue-dependency={RETRY}")),
        )
    ]


def artifacts(plan: Plan) -> Path:
    return plan.state / "flux" / "artifacts"


def up(plan: Plan) -> None:
    build.build_modules(plan.cache, modules.FLUX)
    with step("starting Flux"):
        beside.declare(plan, GROUPS, [beside.namespace(NAMESPACE)])
        artifacts(plan).mkdir(parents=True, exist_ok=True)
        beside.start(plan, programs(plan))


def down(plan: Plan) -> None:
    """Stop the programs and remove what they worked with; what they deployed stays."""
    with step("removing Flux"):
        beside.stop(plan, programs(plan))
        beside.forget(plan, GROUPS, NAMESPACE)
