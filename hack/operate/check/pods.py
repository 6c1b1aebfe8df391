"""The containers of a build: each has an image, and mounts volumes that its pod has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hack.operate.check.built import Reference, called, carefully, namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.operate.check.built import Build, Pod
    from hack.operate.overlay import Object

VARIABLE = re.compile(r"(?<!\$)\$\(([A-Z][A-Z0-9_]*)\)")
"""A variable that Kubernetes replaces by its value, and leaves as it is without one."""


def faults(build: Build) -> Iterator[str]:
    """Yield a sentence for each fault of a container: what is wrong where, and the cure."""
    for pod in build.pods:
        for fault in carefully(pod.owner, _of_pod(build, pod)):
            yield f"{called(pod.owner)}: {fault}"


def _of_pod(build: Build, pod: Pod) -> Iterator[str]:
    for container in pod.containers:
        for fault in _of_container(pod, container):
            yield f"the container {container.get('name')} {fault}"
        for variable in unset(build, pod, container):
            yield (
                f"nothing sets $({variable}) of the container {container.get('name')}: a merged patch has replaced "
                "`envFrom` (add to it by a patch with `op: add`), or a component took it away: list that one last"
            )
    for volume in _without_source(pod):
        yield f"the volume {volume} has no source: write emptyDir or another"
    for claim in pod.claims:
        for lacking in _lacking(claim.get("spec") or {}):
            yield (
                f"the claim {claim['metadata']['name']} of volumeClaimTemplates has no {lacking}: no volume is made. "
                "A merged patch replaces the list; change one field by a patch with `op: replace`"
            )


def _lacking(claim: Object) -> list[str]:
    storage = ((claim.get("resources") or {}).get("requests") or {}).get("storage")
    return [each for each, value in (("accessModes", claim.get("accessModes")), ("size", storage)) if not value]


def _of_container(pod: Pod, container: Object) -> Iterator[str]:
    if not container.get("image"):
        yield (
            "has no image. A patch names a container that the pod does not have, so Kustomize adds an empty one: "
            "correct the name in the patch, or restrict its target"
        )
    there = _volumes(pod)
    for mount in container.get("volumeMounts") or ():
        if not mount.get("mountPath"):
            yield f"mounts {mount.get('name')} nowhere: write mountPath"
        elif mount.get("name") not in there:
            yield (
                f"mounts {mount.get('name')} at {mount['mountPath']}, but the pod has no such volume: add it to "
                "volumes, or remove the mount"
            )


def _volumes(pod: Pod) -> set[str]:
    """The names of all volumes, those of claims that a StatefulSet makes included."""
    return {each["name"] for each in pod.spec.get("volumes") or ()} | _claimed(pod)


def _claimed(pod: Pod) -> set[str]:
    return {each["metadata"]["name"] for each in pod.claims}


def unset(build: Build, pod: Pod, container: Object) -> list[str]:
    """Return the variables that a container's values, arguments and commands use, and that nothing sets.

    A shell writes `$(date)`, too: only names in capitals are looked at. What a Secret sets is not known.
    """
    lists = container.get("envFrom") or ()
    maps = [build.find(Reference("ConfigMap", _named(each), namespace(pod.owner))) for each in lists]
    if None in maps or any(each.get("prefix") for each in lists):
        return []
    there = {key for each in maps if each for key in each.get("data") or ()}
    there |= {each["name"] for each in container.get("env") or ()}
    values = [each.get("value") for each in container.get("env") or ()]
    values += [*(container.get("args") or ()), *(container.get("command") or ())]
    used = {name for value in values for name in VARIABLE.findall(value or "")}
    return sorted(used - there)


def _named(source: Object) -> str:
    return str((source.get("configMapRef") or {}).get("name", ""))


def _without_source(pod: Pod) -> list[str]:
    made = _claimed(pod)
    return [each["name"] for each in pod.spec.get("volumes") or () if len(each) < 2 and each["name"] not in made]
