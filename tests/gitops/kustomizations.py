"""Flux's two Kustomizations of prod and their GitRepository, as in `overlays/flux`."""

from __future__ import annotations

import copy
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hack.lab.addons.flux import NAMESPACE
from tests.cluster.instances import eventually, literals
from tests.gitops.delivery import ROLL
from tests.gitops.git_server import LOGIN, REPOSITORY
from tests.gitops.sops import KEY
from tests.manifests.stack import ROOT, build

if TYPE_CHECKING:
    from hack.operate.cluster import Cluster

REQUEST = "reconcile.fluxcd.io/requestedAt"
INSTANCE, SECRETS, SOURCE = "airflow-prod", "airflow-prod-secrets", "airflow-production"
LOOKS = 3


@dataclass(frozen=True)
class Kustomizations:
    """What Flux says of the trial."""

    cluster: Cluster

    @classmethod
    def create(cls, cluster: Cluster, address: str) -> Kustomizations:
        """Apply what is there for prod, with the trial's repository, its login and its path; and the key."""
        found = [
            copy.deepcopy(each) for each in build(ROOT / "overlays" / "flux") if name_of(each).startswith(INSTANCE)
        ]
        assert sorted(map(name_of, found)) == [INSTANCE, SECRETS, SOURCE]
        for each in found:
            if name_of(each) == SOURCE:
                each["spec"] |= {"url": address, "secretRef": {"name": REPOSITORY}}
            elif name_of(each) == INSTANCE:
                each["spec"]["path"] = "./overlays/trial"
        flux = cls(cluster)
        flux.kubectl("create", "secret", "generic", REPOSITORY, *literals(LOGIN))
        flux.kubectl("create", "secret", "generic", "sops-age", f"--from-file=age.agekey={KEY}")
        content = {"apiVersion": "v1", "kind": "List", "items": found}
        cluster.run("apply", "--server-side", "--filename=-", stdin=json.dumps(content))
        return flux

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.run("--namespace", NAMESPACE, *arguments)

    def found(self, name: str) -> Any:
        return self.cluster.get("--namespace", NAMESPACE, "gitrepository" if name == SOURCE else "kustomization", name)

    def request(self, name: str) -> None:
        """Have it look now, as `flux reconcile` does, and wait until it has."""
        mark, kind = str(uuid.uuid4()), "gitrepository" if name == SOURCE else "kustomization"
        self.kubectl("annotate", kind, name, f"{REQUEST}={mark}", "--overwrite")
        eventually(
            lambda: self.found(name).get("status", {}).get("lastHandledReconcileAt") == mark,
            f"{name} has been looked at",
            self.findings,
            ROLL,
        )

    def wait_done(self, revision: str, patience: float = ROLL) -> None:
        """Wait until all of a revision is deployed and works."""
        self.request(SOURCE)
        self.wait_ready(f"production@sha1:{revision}", patience)

    def wait_ready(self, revision: str, patience: float) -> None:
        def states() -> set[tuple[str, str]]:
            return {self.state(name) for name in (SECRETS, INSTANCE)}

        eventually(lambda: states() == {(revision, "True")}, f"{revision} is ready", self.findings, patience)

    def state(self, name: str) -> tuple[str, str]:
        """Revision and whether it is ready."""
        status = self.found(name).get("status", {})
        ready = {each["type"]: each["status"] for each in status.get("conditions", ())}.get("Ready", "")
        return (status.get("lastAppliedRevision", ""), ready)

    def look_again(self) -> None:
        revision, _ready = self.state(INSTANCE)
        for name in (SOURCE, SECRETS, INSTANCE) * LOOKS:
            self.request(name)
            self.wait_ready(revision, ROLL)

    def objects(self, name: str = INSTANCE) -> set[str]:
        return {entry(each["id"]) for each in self.found(name)["status"]["inventory"]["entries"]}

    def findings(self) -> str:
        """What Flux says of all three, and the pods."""
        told = [
            f"{name}: {each['type']} {each['status']} {each['reason']}: {each['message']}"
            for name in (SOURCE, SECRETS, INSTANCE)
            for each in self.found(name).get("status", {}).get("conditions", ())
        ]
        return "\n".join([*told, self.cluster.run("--namespace", "airflow", "get", "pods", check=False)])


def name_of(found: Any) -> str:
    return str(found["metadata"]["name"])


def entry(identity: str) -> str:
    """Of an inventory's `namespace_name_group_kind` return `Kind.group/name`."""
    _namespace, name, group, kind = identity.split("_")
    return f"{kind}.{group}/{name}" if group else f"{kind}/{name}"
