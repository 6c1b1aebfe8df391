"""Argo CD's controller beside the node's own programs: in its network, its control group, and gone with it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hack.addons import beside, modules
from hack.node import build, prerequisites
from hack.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from pathlib import Path

    from hack.node.plan import Plan

NAMESPACE = "argocd"
GROUPS = ("argoproj.io",)
REDIS = "redis-check-rdb"
"""The server's own program under another name; the package that has it under its own would start a service."""
PACKAGES = {"git": "git", REDIS: "redis-tools"}
REPOSITORY, CONTROLLER = "argocd-repo-server", "argocd-application-controller"
REDIS_PORT, REPOSITORY_PORT, REPOSITORY_HEALTH, CONTROLLER_HEALTH = 6379, 8081, 8084, 8082
CONFIGMAPS = ("argocd-cm", "argocd-cmd-params-cm", "argocd-gpg-keys-cm", "argocd-rbac-cm", "argocd-ssh-known-hosts-cm",
              "argocd-tls-certs-cm")  # fmt: skip


@dataclass(frozen=True)
class Tools:
    """Where the programs are."""

    argocd: Path
    kustomize: Path

    @classmethod
    def build(cls, cache: Path) -> Tools:
        build.build_modules(cache, (modules.ARGOCD, modules.KUSTOMIZE))
        folders = (build.programs_of(cache, each) for each in (modules.ARGOCD, modules.KUSTOMIZE))
        return cls(*folders)

    def named(self, name: str) -> str:
        """The one program does what it is called for; a second name is what it is found by among the processes."""
        link = self.argocd / name
        if not link.exists():
            os.link(self.argocd / "argocd", link)
        return str(link)


def programs(plan: Plan, tools: Tools) -> list[Program]:
    """In the order of their start."""
    redis, folder = f"127.0.0.1:{REDIS_PORT}", plan.state / "argocd"
    server = f'exec -a redis-server {REDIS} --port {REDIS_PORT} --bind 127.0.0.1 --save "" --dir {folder}'
    settings = ("env", "ARGOCD_GPG_ENABLED=false", "ARGOCD_FAKE_IN_CLUSTER=true", f"TMPDIR={folder}")
    account = f"KUBECONFIG={plan.admin_kubeconfig}"
    repository = (
        "--disable-tls",
        "--address=127.0.0.1",
        f"--port={REPOSITORY_PORT}",
        f"--metrics-address={plan.address}",
        f"--metrics-port={REPOSITORY_HEALTH}",
    )
    controller = (
        f"--namespace={NAMESPACE}",
        f"--repo-server=127.0.0.1:{REPOSITORY_PORT}",
        "--repo-server-plaintext",
        f"--metrics-port={CONTROLLER_HEALTH}",
    )
    return [
        Program(REDIS, ("bash", "-c", server)),
        *(
            Program(name, (*settings, account, tools.named(name), f"--redis={redis}", *options))
            for name, options in ((REPOSITORY, repository), (CONTROLLER, controller))
        ),
    ]


def up(plan: Plan) -> None:
    prerequisites.install_missing(PACKAGES)
    tools = Tools.build(plan.cache)
    with step("starting Argo CD") as current:
        beside.declare(plan, GROUPS, configuration())
        (plan.state / "argocd").mkdir(exist_ok=True)
        # Git asks the program `argocd` for a repository's password.
        path = f"{build.binaries(plan.cache).path}:{tools.kustomize}:{tools.argocd}"
        redis, *others = programs(plan, tools)
        beside.start(plan, [redis], path)
        for program, port in zip(others, (REPOSITORY_HEALTH, CONTROLLER_HEALTH), strict=True):
            beside.start_answering(plan, program, f"{plan.address}:{port}/healthz", current, path)


def configuration() -> list[dict[str, Any]]:
    """What its programs refuse to start without; the values are their defaults."""
    labels = {"app.kubernetes.io/part-of": "argocd"}
    kinds = [("Secret", "argocd-secret"), *(("ConfigMap", name) for name in CONFIGMAPS)]
    items = [
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}}
        for kind, name in kinds
    ]
    return [beside.namespace(NAMESPACE), *items]


def down(plan: Plan) -> None:
    """Stop the programs and remove what they worked with; what they deployed stays."""
    with step("removing Argo CD"):
        beside.stop(plan, programs(plan, Tools.build(plan.cache)))
        beside.forget(plan, GROUPS, NAMESPACE)
