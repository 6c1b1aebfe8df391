"""Makes instances of `overlays/dev` with components, each in a namespace of its own, and removes them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from markdown_it import MarkdownIt

from hack.lab.node.build import binaries
from hack.lab.node.cluster import recycle_volumes
from hack.lab.node.plan import plan_from_environment
from hack.lab.stack.__main__ import provide_images
from hack.operate.instance import Instance
from hack.operate.overlay import CHECKOUT
from hack.operate.secrets import provide
from hack.progress import step
from tests.cluster.instances import UnderTest
from tests.cluster.overlays import dev_overlay

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hack.operate.cluster import Cluster

SHARED = "trial-shared"


def said(component: str, **instead: str) -> list[dict[str, Any]]:
    """The patches that a component's README tells an overlay to have; ``instead`` has other values for their data."""
    text = (CHECKOUT / "base/components" / component / "README.md").read_text()
    (block,) = (each.content for each in MarkdownIt().parse(text) if each.content.startswith("patches:"))
    patches: list[dict[str, Any]] = yaml.safe_load(block)["patches"]
    for patch in patches if instead else ():
        content = yaml.safe_load(patch["patch"])
        assert instead.keys() <= content["data"].keys()
        patch["patch"] = yaml.safe_dump({**content, "data": content["data"] | instead})
    return patches


@dataclass
class Trial:
    cluster: Cluster
    directory: Path
    made: list[str] = field(default_factory=list)

    def instance(
        self,
        name: str,
        *components: str,
        secrets: Iterable[str] = (),
        claims: Iterable[str] = (),
        **fields: object,
    ) -> Instance:
        """What comes before an overlay: its namespace, its Secrets, its images, claims that many pods may mount.

        ``secrets`` are values as ``NAME/KEY=VALUE``, ``fields`` those of the overlay's kustomization.
        """
        overlay = dev_overlay(self.directory, name, namespace=name, components=components, **fields)
        found = Instance.of_overlay(self.cluster, overlay)
        provide_images(found)
        namespace = yaml.safe_load((CHECKOUT / "overlays" / "namespace.yaml").read_text())
        namespace["metadata"]["name"] = name
        self.cluster.run("apply", "-f", "-", stdin=json.dumps(namespace))
        self.made.append(name)
        provide(found, dev=True, given=secrets)
        for claim in claims:
            self._make_claim(found, claim)
        return found

    def run(self, instance: Instance, **dags: str) -> UnderTest:
        """Apply it, push ``name="content"`` as DAGs, and wait until all of it is ready."""
        instance.apply()
        with step(instance.name) as current:
            instance.wait_until_ready(current, only="git-server")
            under_test = UnderTest.connect(instance, self.directory / f"{instance.name}-dags")
            under_test.push(**dags)
            instance.wait_until_ready(current)
        return under_test

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was made, without the time that pods would take to end: nothing of it is needed any more."""
        for name in self.made:
            self.cluster.run("delete", "namespace", name, "--wait=false")
            self.cluster.run("delete", "pods", "--all", "--force", "--grace-period=0", "--namespace", name)
            self.cluster.run("wait", "--for=delete", f"namespace/{name}", "--timeout=300s")
            self.cluster.run("delete", "persistentvolumes", "--selector", f"{SHARED}={name}")
        plan = plan_from_environment()
        recycle_volumes(plan, binaries(plan.cache))  # the next instance needs as many

    def _make_claim(self, instance: Instance, claim: str) -> None:
        """A claim of a volume that many pods may mount; on one node any folder can be that."""
        plan, name = plan_from_environment(), f"{instance.name}-{claim}"
        folder = plan.volumes / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)  # as provisioners do; the kubelet gives it a group only if the first pod may write
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [plan.name]}
        wanted: dict[str, Any] = {"accessModes": ["ReadWriteMany"], "storageClassName": SHARED}
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "labels": {SHARED: instance.name}},
            "spec": {
                **wanted,
                "capacity": {"storage": "1Gi"},
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
                "claimRef": {"namespace": instance.namespace, "name": name},
            },
        }
        request = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": instance.namespace},
            "spec": {**wanted, "volumeName": name, "resources": {"requests": {"storage": "1Gi"}}},
        }
        self.cluster.run(
            "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [volume, request]})
        )
