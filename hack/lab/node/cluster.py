"""Gives the node what every cluster has: a name service, and storage."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from hack.lab.node import plan as names
from hack.lab.node.commands import run

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.plan import Plan
    from hack.lab.node.programs import Binaries

STORAGE_CLASS = "standard"
VOLUMES = 24
VOLUME_SIZE = "10Gi"


def kubectl(plan: Plan, binaries: Binaries, *arguments: str, text: str | None = None, limit: float = 60.0) -> str:
    return run(binaries["kubectl"], f"--kubeconfig={plan.admin_kubeconfig}", *arguments, text=text, limit=limit)


def get(plan: Plan, binaries: Binaries, *arguments: str) -> Any:
    return json.loads(kubectl(plan, binaries, "get", *arguments, "--output=json") or "{}")


def apply_objects(plan: Plan, binaries: Binaries) -> None:
    for name in volume_names():
        _make_volume(plan.volumes / name)
    manifest = {"apiVersion": "v1", "kind": "List", "items": [*name_service(plan), *storage(plan)]}
    kubectl(
        *(plan, binaries, "apply", "--server-side", "--force-conflicts", "--field-manager=kube-airflow-node"),
        *("--filename=-",),
        text=json.dumps(manifest),
    )


def name_service(plan: Plan) -> list[dict[str, Any]]:
    """The objects for CoreDNS, which runs outside of pods: a Service without a selector, and read-only rights."""
    name = {"name": "kube-dns", "namespace": "kube-system"}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    role = "system:coredns"
    rbac = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": name}
        | {"spec": {"clusterIP": names.DNS_SERVICE, "ports": ports}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"}
        | {"metadata": name | {"labels": {"kubernetes.io/service-name": "kube-dns"}}}
        | {"endpoints": [{"addresses": [plan.address]}], "ports": ports},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": role}}
        | {"roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role}}
        | {"subjects": [{"apiGroup": rbac, "kind": "User", "name": role}]},
    ]


def volume_names() -> list[str]:
    return [f"pv{number:02}" for number in range(1, VOLUMES + 1)]


def storage(plan: Plan) -> list[dict[str, Any]]:
    """Local volumes, made in advance. Unlike host paths, local volumes follow a pod's fsGroup."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "annotations": default},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Retain",
    }
    return [storage_class, *(_volume(plan, name) for name in volume_names())]


def _volume(plan: Plan, name: str) -> dict[str, Any]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [plan.name]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": VOLUME_SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "local": {"path": str(plan.volumes / name)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def recycle_volumes(plan: Plan, binaries: Binaries) -> list[str]:
    """Empty the volumes without a claim, and release them. No controller does that for local volumes."""
    volumes = get(plan, binaries, "persistentvolumes")["items"]
    released = released_volumes(volumes)
    for name in released:
        folder = plan.volumes / name
        shutil.rmtree(folder)
        _make_volume(folder)
        kubectl(*(plan, binaries, "patch", "persistentvolume", name), '--patch={"spec":{"claimRef":null}}')
    return released


def released_volumes(volumes: list[dict[str, Any]]) -> list[str]:
    """The names of this node's volumes whose claim is gone."""
    ours = set(volume_names())
    return [
        volume["metadata"]["name"]
        for volume in volumes
        if volume["metadata"]["name"] in ours and volume.get("status", {}).get("phase") == "Released"
    ]


def node_problem(plan: Plan, binaries: Binaries) -> str:
    """The reason why the node is not ready; empty if it is ready."""
    node = get(plan, binaries, "node", plan.name, "--ignore-not-found")
    for condition in node.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready":
            return "" if condition["status"] == "True" else str(condition["message"])
    return "the node has not registered itself"


def _make_volume(folder: Path) -> None:
    if folder.exists():
        return
    folder.mkdir(parents=True)
    folder.chmod(0o777)  # as dynamic provisioners do, so that pods without fsGroup can write
