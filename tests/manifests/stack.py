"""The objects that `kubectl apply -k` would send, as data."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Object = dict[str, Any]
"""One Kubernetes object, or a part of one."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C reads the same, seven times as fast."""
ROOT = Path(__file__).parents[2]
GITOPS = ("argocd", "flux")
"""Overlays that hold no instance: they tell a tool about those that do."""
OVERLAYS = sorted({path.parent.name for path in ROOT.glob("overlays/*/kustomization.yaml")} - {*GITOPS})
WORKLOADS = ("Deployment", "StatefulSet")


def rendered(directory: Path) -> str:
    """Return the build's text; warnings, as of deprecated fields, fail."""
    done = subprocess.run(["kubectl", "kustomize", str(directory)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"kubectl kustomize {directory}: {done.stderr}"
    assert not done.stderr, f"kubectl kustomize {directory} warns: {done.stderr}"
    return done.stdout


@cache
def build(directory: Path) -> tuple[Object, ...]:
    """Return the objects of a build."""
    return tuple(yaml.load_all(rendered(directory), LOADER))


def overlay_over(target: Path, directory: Path, *, prefix: str, instance: str) -> Path:
    """Write an overlay that gives what is in ``target`` another prefix and instance in the same namespace."""
    directory.mkdir(parents=True, exist_ok=True)
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "airflow",
        "namePrefix": prefix,
        "resources": [os.path.relpath(target.resolve(), directory.resolve())],
        "labels": [{"pairs": {"kube-airflow/instance": instance}, "includeSelectors": True}],
    }
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return directory


def copy_of_the_stack(directory: Path) -> Path:
    """Copy everything that is built, to be changed."""
    for name in ("base", "overlays"):
        shutil.copytree(ROOT / name, directory / name)
    shutil.copy(ROOT / "kustomization.yaml", directory)
    return directory


def hosts(config_map: Object) -> set[str]:
    """The hosts that a ConfigMap names. The api-server's own is empty, because it listens on every address."""
    return {value for key, value in config_map.get("data", {}).items() if key.endswith("_HOST")} - {""}


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    """Return the objects of some kinds."""
    return [each for each in objects if each["kind"] in kinds]


def name(found: Object) -> str:
    """Return an object's name."""
    return str(found["metadata"]["name"])


def names(objects: Iterable[Object], *kinds: str) -> set[str]:
    """Return the names of the objects of some kinds."""
    return {name(each) for each in of_kind(objects, *kinds)}


def tier(found: Object) -> str:
    """Return the name of a workload as its directory is called, whatever the prefix."""
    labels = found["metadata"]["labels"]
    own_name = labels["app.kubernetes.io/name"]
    return str(own_name if own_name != "airflow" else labels["app.kubernetes.io/component"])


def tiers(objects: Iterable[Object]) -> dict[str, Object]:
    """Return the pod specifications by tier."""
    return {tier(each): each["spec"]["template"]["spec"] for each in of_kind(objects, *WORKLOADS)}


def containers(pod: Object) -> list[Object]:
    """Return all containers of a pod, those that start it included."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def strings(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Return every string in an object with the path to it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, f"{path}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from strings(item, f"{path}[{number}]")
    elif isinstance(value, str):
        yield path, value


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Return whether a selector that is not empty chooses these labels."""
    return bool(selector) and selector.items() <= labels.items()


def environment(objects: Iterable[Object], container: Object) -> dict[str, str]:
    """Return a container's environment; what the kubelet or a Secret provides is an empty string."""
    maps = {name(each): each.get("data", {}) for each in of_kind(objects, "ConfigMap")}
    result: dict[str, str] = {}
    for source in container.get("envFrom", []):
        result |= maps[source["configMapRef"]["name"]]
    for variable in container.get("env", []):
        reference = variable.get("valueFrom", {}).get("configMapKeyRef")
        value = maps[reference["name"]][reference["key"]] if reference else variable.get("value", "")
        result[variable["name"]] = value
    return result


def secret_files(pod: Object) -> dict[str, dict[str, tuple[str, str]]]:
    """Return which files of a pod's volumes come from which Secret and key, by the volumes' names."""
    result: dict[str, dict[str, tuple[str, str]]] = {}
    for volume in pod["volumes"]:
        sources = [each["secret"] for each in volume.get("projected", {}).get("sources", []) if "secret" in each]
        if "secret" in volume:
            sources.append({**volume["secret"], "name": volume["secret"]["secretName"]})
        for source in sources:
            files = result.setdefault(volume["name"], {})
            files |= {item["path"]: (source["name"], item["key"]) for item in source.get("items", [])}
    return result


def bytes_of(quantity: str) -> int:
    """Return a memory quantity in bytes."""
    match = re.fullmatch(r"(\d+)(Mi|Gi)", quantity)
    assert match, quantity
    return int(match[1]) << {"Mi": 20, "Gi": 30}[match[2]]
