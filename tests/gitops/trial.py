"""A repository with this checkout's overlays, and one on top of `overlays/prod` with one pod of each tier."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import git
import yaml

from tests.gitops.git_server import commit
from tests.manifests import crds
from tests.manifests.stack import ROOT, build

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "prod-"
NEEDS_A_CONTROLLER = ("HorizontalPodAutoscaler", "Ingress")
"""Kinds whose health is told by what is not on the node: a metrics server, an ingress controller."""


def kustomization(**fields: Any) -> str:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return yaml.safe_dump({**head, **fields}, sort_keys=False)


def without(kind: str, group_version: str, name: str) -> dict[str, Any]:
    """Return a patch that leaves an object out."""
    content = {
        "apiVersion": group_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "airflow"},
        "$patch": "delete",
    }
    return {"patch": yaml.safe_dump(content)}


def one_pod_each() -> list[dict[str, Any]]:
    """Return patches that make prod fit a node without further controllers."""
    once = [{"op": "add", "path": "/spec/replicas", "value": 1}]
    left_out = [
        without(each["kind"], each["apiVersion"], each["metadata"]["name"])
        for each in build(ROOT / "overlays" / "prod")
        if crds.is_custom(each) or each["kind"] in NEEDS_A_CONTROLLER
    ]
    return [{"target": {"kind": "Deployment|StatefulSet"}, "patch": yaml.safe_dump(once)}, *left_out]


class Repository:
    """What the tools follow: its working copy, and the overlay `trial` in it."""

    head: str
    """The newest revision, of both branches."""

    def __init__(self, root: Path) -> None:
        self.work = root / "work"
        for name in ("base", "overlays"):
            shutil.copytree(ROOT / name, self.work / name)
        self.trial = self.work / "overlays" / "trial"
        self._fields: dict[str, Any] = {
            "namespace": "airflow",
            "resources": ["../prod", "git-server"],
            "configMapGenerator": [
                {"name": "hosts", "behavior": "merge", "literals": [f"GIT_SERVER_HOST={PREFIX}git-server"]},
                {"name": "gitsync-config", "behavior": "replace", "files": ["gitsync.yaml"]},
            ],
            "patches": one_pod_each(),
        }
        server = {"pairs": {"kube-airflow/instance": "prod"}, "includeSelectors": True}
        (self.trial / "git-server").mkdir(parents=True)
        (self.trial / "git-server" / "kustomization.yaml").write_text(
            kustomization(namePrefix=PREFIX, resources=["../../dev/git-server"], labels=[server])
        )
        shutil.copy(ROOT / "overlays" / "dev" / "gitsync.yaml", self.trial)
        self._git = git.Repo.init(self.work, initial_branch="main")
        self.head = self.change("Add the overlay trial")

    def change(self, message: str, **fields: Any) -> str:
        """Commit the overlay with other fields; lists are added to what is there. The new revision."""
        for name, value in fields.items():
            self._fields[name] = [*self._fields.get(name, []), *value]
        (self.trial / "kustomization.yaml").write_text(kustomization(**self._fields))
        return self._promote(commit(self._git, message))

    def revert(self) -> str:
        """Commit the opposite of the last commit; the new revision."""
        self._git.git.execute(["git", *IDENTITY, "revert", "--no-edit", "HEAD"])
        self._fields = yaml.safe_load((self.trial / "kustomization.yaml").read_text())
        self._fields = {k: v for k, v in self._fields.items() if k not in ("apiVersion", "kind")}
        return self._promote(self._git.head.commit.hexsha)

    def _promote(self, revision: str) -> str:
        """Have `production` follow: what stands on `main` has proved itself at once."""
        self.head = revision
        self._git.git.branch("--force", "production", revision)
        return revision


IDENTITY = ("-c", "user.name=Platform team", "-c", "user.email=platform@example.org")
