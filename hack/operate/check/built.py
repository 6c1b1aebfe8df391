"""The objects of a build, found by what names them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from hack.operate.errors import Failure
from hack.operate.overlay import ORIGIN, Object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")
CLUSTER_WIDE = {
    "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass", "Namespace", "PersistentVolume",
    "PriorityClass", "StorageClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
}  # fmt: skip
"""Kinds without a namespace."""
TEMPLATED = {"DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"}


@dataclass(frozen=True)
class Reference:
    """The name of an object, in another object or for an object beside the overlay."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Pod:
    """The template of a pod, or a pod."""

    owner: Object
    metadata: Object
    spec: Object

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.metadata.get("labels") or {})

    @property
    def containers(self) -> list[Object]:
        """All containers, those that start the pod included."""
        return [*(self.spec.get("initContainers") or ()), *(self.spec.get("containers") or ())]

    @property
    def claims(self) -> list[Object]:
        """The claims that a StatefulSet makes for each of its pods."""
        return list((self.owner.get("spec") or {}).get("volumeClaimTemplates") or ())


class Build:
    """All objects of one build."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self.objects = tuple(objects)

    @cached_property
    def _by_reference(self) -> dict[Reference, Object]:
        return {Reference(each["kind"], name(each), namespace(each)): each for each in self.objects}

    @cached_property
    def pods(self) -> tuple[Pod, ...]:
        """What every pod is made from."""
        return tuple(pod for each in self.objects for pod in _pods(each))

    def find(self, wanted: Reference) -> Object | None:
        """Return an object, or None."""
        return self._by_reference.get(wanted)

    def near(self, missing: Reference) -> list[Reference]:
        """Return objects that a name without its prefix, or without its namespace, may mean."""
        return [
            each
            for each in self._by_reference
            if each.kind == missing.kind and f"-{missing.name}-" in f"-{each.name}-" and each != missing
        ]

    def of_kind(self, *kinds: str) -> list[Object]:
        """Return the objects of some kinds."""
        return [each for each in self.objects if each["kind"] in kinds]


def carefully(found: Object, items: Iterable[T]) -> Iterator[T]:
    """Yield what is read of an object. Raises Failure with its name if a field has not the form of its kind."""
    try:
        yield from items
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"a field has not the form that its kind needs ({type(error).__name__}: {error})"
        raise Failure(f"{called(found)}: {reason}; `kubectl create --dry-run=server` names the field") from error


def _pods(found: Object) -> Iterator[Pod]:
    kind, spec = found["kind"], found.get("spec") or {}
    template = spec.get("template") if kind in TEMPLATED else None
    if kind == "CronJob":
        template = spec.get("jobTemplate", {}).get("spec", {}).get("template")
    if kind == "Pod":
        template = found
    if template:
        yield Pod(found, template.get("metadata") or {}, template.get("spec") or {})


def name(found: Object) -> str:
    return str(found["metadata"]["name"])


def namespace(found: Object) -> str:
    """Return an object's namespace; empty without one."""
    return str(found["metadata"].get("namespace") or "")


def called(found: Object) -> str:
    """Return what a person calls an object: kind, name, and the file that it comes from where that is known."""
    origin = (found["metadata"].get("annotations") or {}).get(ORIGIN)
    return f"{found['kind']} {name(found)}" + (f" ({origin})" if origin else "")
