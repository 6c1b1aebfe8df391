"""Writes the patches of an overlay: files beside its kustomization, and the entries that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hack.operate.helm.overlay import Overlay

Object = dict[str, Any]
OF_COMPONENTS = {
    "HorizontalPodAutoscaler": ("autoscaling-hpa", "worker"),
    "Ingress": ("ingress", "airflow"),
    "ScaledObject": ("autoscaling-keda", "worker"),
}
"""Kinds with one object in one component, and the object's name."""
AIRFLOWS = "app.kubernetes.io/name=airflow"
READERS = f"{AIRFLOWS},app.kubernetes.io/component!=migrate"
"""The pods that have a list `envFrom`."""
CLAIM = "/spec/volumeClaimTemplates/0/spec"
PATHS = {"size": f"{CLAIM}/resources/requests/storage", "class": f"{CLAIM}/storageClassName"}


def write(overlay: Overlay, directory: Path) -> list[Object]:
    """Write the files, and return the entries, in the sequence of Kustomize: what is for all comes first."""
    return [
        *_everywhere(overlay, directory),
        *_workloads(overlay, directory),
        *_environment(overlay, directory),
        *_operations(overlay, directory),
        *_claims(overlay, directory),
        *_services(overlay, directory),
        *_retention(overlay),
    ]


def dump(file: Path, content: Object | list[Object]) -> None:
    file.write_text(yaml.safe_dump(content, sort_keys=False, width=120))


def _everywhere(overlay: Overlay, directory: Path) -> Iterator[Object]:
    """Fields of every pod of the instance, also of those that a CronJob makes."""
    if not overlay.everywhere:
        return
    template = {"template": {"spec": overlay.everywhere}}
    dump(directory / "every-pod.yaml", _patch("apps/v1", "any", template))
    dump(directory / "every-cronjob.yaml", _patch("batch/v1", "CronJob", {"jobTemplate": {"spec": template}}))
    yield {"path": "every-pod.yaml", "target": {"kind": "Deployment|StatefulSet"}}
    yield {"path": "every-cronjob.yaml", "target": {"kind": "CronJob"}}


def _patch(version: str, kind: str, spec: Object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "any"}, "spec": spec}


def _workloads(overlay: Overlay, directory: Path) -> Iterator[Object]:
    for name, patch in sorted(overlay.workloads.items(), key=lambda each: each[0] != ""):
        file = f"{name or 'airflow-pods'}.yaml"
        dump(directory / file, _instead(patch, overlay.everywhere) if name else patch)
        every = {"kind": "Deployment|StatefulSet", "labelSelector": AIRFLOWS}
        yield {"path": file, "target": {"kind": patch["kind"], "name": name} if name else every}


def _instead(patch: Object, everywhere: Object) -> Object:
    """Take the nodes' labels for all pods away where a tier has its own. A patch alone would add one to the other."""
    pod = patch["spec"].get("template", {}).get("spec", {})
    if "nodeSelector" in pod:
        gone = dict.fromkeys(everywhere.get("nodeSelector", {}), None)
        pod["nodeSelector"] = {**gone, **pod["nodeSelector"]}
    return patch


def _environment(overlay: Overlay, directory: Path) -> Iterator[Object]:
    """One operation for each list: a list in a merged patch replaces the stack's own."""
    if not overlay.environment_from:
        return
    container = "/spec/template/spec/containers/0"
    operations: list[Object] = [{"op": "test", "path": f"{container}/name", "value": "airflow"}]
    operations += [{"op": "add", "path": f"{container}/envFrom/-", "value": each} for each in overlay.environment_from]
    dump(directory / "airflow-pods-env.yaml", operations)
    yield {"path": "airflow-pods-env.yaml", "target": {"kind": "Deployment|StatefulSet", "labelSelector": READERS}}


def _operations(overlay: Overlay, directory: Path) -> Iterator[Object]:
    for kind, operations in overlay.operations.items():
        file = f"{kind.lower()}.yaml"
        dump(directory / file, operations)
        yield {"path": file, "target": {"kind": kind, "name": OF_COMPONENTS[kind][1]}}


def _claims(overlay: Overlay, directory: Path) -> Iterator[Object]:
    for name, given in overlay.claims.items():
        file = f"{name}-claim.yaml"
        dump(directory / file, [{"op": "add", "path": PATHS[field], "value": value} for field, value in given.items()])
        yield {"path": file, "target": {"kind": "StatefulSet", "name": name}}


def _services(overlay: Overlay, directory: Path) -> Iterator[Object]:
    for name, patch in overlay.services.items():
        file = f"{name}-service.yaml"
        dump(directory / file, patch)
        yield {"path": file, "target": {"kind": "Service", "name": name}}


def _retention(overlay: Overlay) -> Iterator[Object]:
    if overlay.retention and "log-groomer" in overlay.components:
        name, data = {"name": "log-groomer"}, {"RETENTION_DAYS": str(overlay.retention)}
        yield {"patch": yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "data": data})}
