"""Builds overlays with kubectl, and reads the instance's namespace and names from the result."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hack
from hack.operate.cluster import in_one_line
from hack.operate.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.operate.cluster import Cluster

CHECKOUT = Path(hack.__file__).resolve().parents[1]
OVERLAYS = CHECKOUT / "overlays"
INSTANCE = "kube-airflow/instance"
"""The label of all objects of an instance. Its value is the instance's name."""
TIER = "app.kubernetes.io/component"
OWN_IMAGES = "kube-airflow/"
"""The beginning of the names of the project's own images."""
ANCHORS = ("api-server", "scheduler")
"""Deployments that every instance has, by their names in the base."""
_START = re.compile(r"\S")
ORIGIN = "config.kubernetes.io/origin"
"""The annotation in which Kustomize says where an object comes from, if it is asked."""
Object = dict[str, Any]


@dataclass(frozen=True)
class Names:
    """The parts of an instance's names. ``namespace`` None: the one of kubectl's context."""

    namespace: str | None = None
    prefix: str = ""
    suffix: str = ""
    label: str = ""
    """The value of the label INSTANCE; empty if it is not known."""

    def of(self, name: str) -> str:
        """Return the name of an object whose name in the base is ``name``."""
        return f"{self.prefix}{name}{self.suffix}"


@dataclass(frozen=True)
class Built:
    """The objects that an overlay builds."""

    directory: Path
    objects: tuple[Object, ...]

    @property
    def names(self) -> Names:
        """Return the names of the one instance. Raises Failure unless the overlay builds exactly one."""
        found = {each["metadata"]["name"]: each["metadata"] for each in self.objects if each["kind"] == "Deployment"}
        names = [names for name, data in found.items() for names in _split(name, data) if _all_there(names, found)]
        if len(names) == 1:
            return names[0]
        called = ", ".join(each.prefix for each in names)
        what = f"builds several instances, {called}: name the overlay of one" if names else "builds no Airflow"
        raise Failure(f"{shown(self.directory)} {what}")

    @property
    def images(self) -> set[str]:
        """The images of all containers."""
        return {value for each in self.objects for value in _images(each)}

    def has(self, tier: str) -> bool:
        """Return whether a workload has the label of ``tier``."""
        workloads = (each for each in self.objects if each["kind"] in ("Deployment", "StatefulSet"))
        return any(each["metadata"].get("labels", {}).get(TIER) == tier for each in workloads)


def directory(overlay: str) -> Path:
    """Return the folder of an overlay, from its name in ``overlays/`` or its path. Raises Failure without one."""
    path = Path(overlay) if "/" in overlay else OVERLAYS / overlay
    if not (path / "kustomization.yaml").exists():
        known = ", ".join(sorted(each.parent.name for each in OVERLAYS.glob("*/gitsync.yaml")))
        raise Failure(f"there is no {shown(path)}/kustomization.yaml: give a path, or one of {known}")
    return path


def shown(path: Path) -> Path:
    """Return an overlay's path for people: relative to the checkout if it is inside."""
    return path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path


def build(cluster: Cluster, path: Path, title: Path | None = None) -> Built:
    """Build an overlay, without a cluster. Raises Failure with Kustomize's error, about ``title`` if that is given."""
    # `kubectl kustomize` prints YAML, which Python cannot read by itself. With a harmless change, kubectl prints JSON.
    words = ("annotate", "--local", "--output=json", "kube-airflow/read=", "--kustomize", str(path))
    status, output, error = cluster.attempt(*words)
    if status:
        raise Failure(f"{shown(title or path)} does not build: {in_one_line(error)}")
    return Built(path, tuple(_stream(output)))


def _stream(text: str) -> Iterator[Object]:
    """Read several JSON values that follow each other."""
    decoder, position = json.JSONDecoder(), 0
    while found := _START.search(text, position):
        value, position = decoder.raw_decode(text, found.start())
        yield value


def _split(name: str, data: Object) -> Iterator[Names]:
    """All ways to split a Deployment's name into a prefix, the first anchor and a suffix."""
    for found in re.finditer(re.escape(ANCHORS[0]), name):
        label = data.get("labels", {}).get(INSTANCE, "")
        yield Names(data.get("namespace"), name[: found.start()], name[found.end() :], label)


def _all_there(names: Names, found: dict[str, Object]) -> bool:
    return all(names.of(anchor) in found for anchor in ANCHORS)


def _images(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("image"), str):
            yield value["image"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _images(each)
