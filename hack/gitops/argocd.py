"""Argo CD's controller beside the node's own programs: in its network, its control group, and gone with it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hack.gitops import crds, modules
from hack.node import build, prerequisites, processes
from hack.node.cluster import kubectl
from hack.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from pathlib import Path

    from hack.node.plan import Plan

NAMESPACE = "argocd"
GOES_SECONDS = 300.0
"""What Kubernetes may take to remove a kind or a namespace and all that is in it."""
REDIS = "redis-check-rdb"
"""The server's own program under another name; the package that has it under its own would start a service."""
PACKAGES = {"git": "git", REDIS: "redis-tools"}
REPOSITORY, CONTROLLER = "argocd-repo-server", "argocd-application-controller"
NO_FINALIZERS = '--patch={"metadata":{"finalizers":null}}'
REDIS_PORT, REPOSITORY_PORT = 6379, 8081
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
    repository = ("--disable-tls", "--address=127.0.0.1", f"--port={REPOSITORY_PORT}", "--metrics-address=127.0.0.1")
    controller = (f"--namespace={NAMESPACE}", f"--repo-server=127.0.0.1:{REPOSITORY_PORT}", "--repo-server-plaintext")
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
    binaries = build.binaries(plan.cache)
    with step("starting Argo CD"):
        folder = crds.provide(plan.cache, crds.source("argoproj.io"))
        kubectl(plan, binaries, "apply", "--server-side", "--force-conflicts", f"--filename={folder}")
        kubectl(plan, binaries, "apply", "--server-side", "--filename=-", text=json.dumps(configuration()))
        (plan.state / "argocd").mkdir(exist_ok=True)
        alive = {process.program for process in processes.running(plan)}
        for program in programs(plan, tools):
            if program.name not in alive:
                processes.start(plan, program, f"{binaries.path}:{tools.kustomize}")


def configuration() -> dict[str, object]:
    """What its programs refuse to start without; the values are their defaults."""
    labels = {"app.kubernetes.io/part-of": "argocd"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    kinds = [("Secret", "argocd-secret"), *(("ConfigMap", name) for name in CONFIGMAPS)]
    items = [
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}}
        for kind, name in kinds
    ]
    return {"apiVersion": "v1", "kind": "List", "items": [namespace, *items]}


def down(plan: Plan) -> None:
    """Stop the programs and remove what they worked with; what they deployed stays."""
    with step("removing Argo CD"):
        names = {program.name for program in programs(plan, Tools.build(plan.cache))}
        processes.stop([each for each in processes.running(plan) if each.program in names], 10.0)
        binaries = build.binaries(plan.cache)
        kept = ("get", "applications", f"--namespace={NAMESPACE}", "--output=name", "--ignore-not-found")
        for name in kubectl(plan, binaries, *kept).split():  # nobody is left who would see to their finalizers
            kubectl(*(plan, binaries, "patch", name, f"--namespace={NAMESPACE}", "--type=merge"), NO_FINALIZERS)
        for name in ("applications", "applicationsets", "appprojects"):
            kubectl(plan, binaries, "delete", "crd", f"{name}.argoproj.io", "--ignore-not-found", limit=GOES_SECONDS)
        kubectl(plan, binaries, "delete", "namespace", NAMESPACE, "--ignore-not-found", limit=GOES_SECONDS)
