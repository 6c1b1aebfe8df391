"""Argo CD's controller and repository server, run beside the node's own programs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hack.lab.addons import beside, modules
from hack.lab.node import build, prerequisites
from hack.lab.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.plan import Plan

NAMESPACE = "argocd"
GROUPS = ("argoproj.io",)
REDIS = "redis-check-rdb"
"""Redis under another name. Debian's package with the program `redis-server` would also start a service."""
PACKAGES = {"git": "git", REDIS: "redis-tools"}
REPOSITORY, CONTROLLER = "argocd-repo-server", "argocd-application-controller"
REDIS_PORT, REPOSITORY_PORT, REPOSITORY_HEALTH, CONTROLLER_HEALTH = 6379, 8081, 8084, 8082
SIGNATURE = "git-verify-wrapper.sh"
"""Asked for the signature of each commit, even with ARGOCD_GPG_ENABLED=false; it comes with Argo CD's image alone."""
CONFIGMAPS = ("argocd-cm", "argocd-cmd-params-cm", "argocd-gpg-keys-cm", "argocd-rbac-cm", "argocd-ssh-known-hosts-cm",
              "argocd-tls-certs-cm")  # fmt: skip


@dataclass(frozen=True)
class Tools:
    """The folders of the programs."""

    argocd: Path
    kustomize: Path

    @classmethod
    def build(cls, cache: Path) -> Tools:
        build.build_modules(cache, (modules.ARGOCD, modules.KUSTOMIZE))
        folders = (build.programs_of(cache, each) for each in (modules.ARGOCD, modules.KUSTOMIZE))
        return cls(*folders)

    def named(self, name: str) -> str:
        """Argo CD's program under another name. The name selects its function, and finds its process."""
        link = self.argocd / name
        if not link.exists():
            os.link(self.argocd / "argocd", link)
        return str(link)


def programs(plan: Plan, tools: Tools) -> list[Program]:
    """The programs, in the order of their start."""
    redis, folder = f"127.0.0.1:{REDIS_PORT}", plan.state / "argocd"
    server = f'exec -a redis-server {REDIS} --port {REDIS_PORT} --bind 127.0.0.1 --save "" --dir {folder}'
    settings = ("env", "ARGOCD_GPG_ENABLED=false", "ARGOCD_FAKE_IN_CLUSTER=true", f"TMPDIR={folder}")
    account = f"KUBECONFIG={plan.admin_kubeconfig}"
    repository = (
        "--disable-tls",
        "--client-ca-path=",  # its default is refused without TLS
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
        folder = prepare_folder(plan)
        # Git asks the program `argocd` for a repository's password.
        path = f"{build.binaries(plan.cache).path}:{tools.kustomize}:{tools.argocd}:{folder}"
        redis, *others = programs(plan, tools)
        beside.start(plan, [redis], path)
        for program, port in zip(others, (REPOSITORY_HEALTH, CONTROLLER_HEALTH), strict=True):
            beside.start_answering(plan, program, f"{plan.address}:{port}/healthz", current, path)


def prepare_folder(plan: Plan) -> Path:
    """Make the programs' folder, with a program in it that finds no signature."""
    folder = plan.state / "argocd"
    folder.mkdir(exist_ok=True)
    (folder / SIGNATURE).write_text("#!/bin/sh\n")
    (folder / SIGNATURE).chmod(0o755)
    return folder


def configuration() -> list[dict[str, Any]]:
    """The objects that Argo CD needs at its start. All values are defaults."""
    labels = {"app.kubernetes.io/part-of": "argocd"}
    kinds = [("Secret", "argocd-secret"), *(("ConfigMap", name) for name in CONFIGMAPS)]
    items = [
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}}
        for kind, name in kinds
    ]
    return [beside.namespace(NAMESPACE), *items]


def down(plan: Plan) -> None:
    """Stop the programs, and remove their objects. Deployed objects stay."""
    with step("removing Argo CD"):
        beside.stop(plan, programs(plan, Tools.build(plan.cache)))
        beside.forget(plan, GROUPS, NAMESPACE)
