"""An Argo CD Application as in `overlays/argocd`, with another repository and path."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.cluster.instances import eventually, literals
from tests.gitops.delivery import ROLL
from tests.gitops.git_server import LOGIN, REPOSITORY
from tests.manifests.stack import ROOT, build, of_kind

if TYPE_CHECKING:
    from hack.operate.cluster import Cluster

REFRESH = "argocd.argoproj.io/refresh"


@dataclass(frozen=True)
class Application:
    """What Argo CD says of the trial."""

    cluster: Cluster
    name: str = "airflow-prod"

    @classmethod
    def create(cls, cluster: Cluster, address: str) -> Application:
        objects = build(ROOT / "overlays" / "argocd")
        (project,) = of_kind(objects, "AppProject")
        (application,) = (each for each in objects if each["metadata"]["name"] == cls.name)
        project["spec"]["sourceRepos"] = [address]
        application["spec"]["source"] = {"repoURL": address, "path": "overlays/trial", "targetRevision": "main"}
        content = {"apiVersion": "v1", "kind": "List", "items": [project, application]}
        argo = cls(cluster)
        argo.kubectl("create", "secret", "generic", REPOSITORY, *literals({"type": "git", "url": address, **LOGIN}))
        argo.kubectl("label", "secret", REPOSITORY, "argocd.argoproj.io/secret-type=repository")
        cluster.run("apply", "--server-side", "--filename=-", stdin=json.dumps(content))
        return argo

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.run("--namespace", "argocd", *arguments)

    @property
    def found(self) -> Any:
        return self.cluster.get("--namespace", "argocd", "application", self.name)

    def state(self) -> tuple[str, str, str]:
        """Revision, sync and health."""
        status = self.found.get("status", {})
        sync = status.get("sync", {})
        return (sync.get("revision", ""), sync.get("status", ""), status.get("health", {}).get("status", ""))

    def refresh(self, how: str = "normal") -> None:
        """Have it look at the repository now, instead of within three minutes, and wait until it has."""
        self.kubectl("annotate", "application", self.name, f"{REFRESH}={how}", "--overwrite")
        eventually(
            lambda: REFRESH not in self.found["metadata"].get("annotations", {}), "it has refreshed", self.findings
        )

    def wait_done(self, revision: str) -> None:
        """Wait until all of a revision is deployed and works."""
        self.refresh()
        eventually(
            lambda: self.state() == (revision, "Synced", "Healthy"), f"{revision} is healthy", self.findings, ROLL
        )

    def objects(self) -> set[str]:
        listed = self.found["status"]["resources"]
        return {".".join(filter(None, (each["kind"], each.get("group")))) + f"/{each['name']}" for each in listed}

    def look_again(self) -> None:
        finished = self.finished()
        for how in ("normal", "hard", "normal"):
            self.refresh(how)
            assert self.state()[1:] == ("Synced", "Healthy"), self.findings()
        assert self.finished() == finished

    def finished(self) -> str:
        return str(self.found["status"]["operationState"]["finishedAt"])

    def findings(self) -> str:
        """What is not as it should be, and what Argo CD says of it."""
        status = self.found.get("status", {})
        bad = [
            each
            for each in status.get("resources", ())
            if each.get("status") != "Synced" or each.get("health", {}).get("status", "Healthy") != "Healthy"
        ]
        parts = [bad, status.get("conditions"), status.get("operationState", {}).get("message"), status.get("health")]
        pods = self.cluster.run("--namespace", "airflow", "get", "pods", check=False)
        return "\n".join([*(json.dumps(part) for part in parts), pods])
