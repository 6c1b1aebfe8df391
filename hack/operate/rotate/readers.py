"""Finds the workloads that must restart after a change of a Secret, because they read it only at their start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hack.operate.instance import Instance

READ_ANEW = {"gitsync", "postgres", "rabbitmq"}
"""Containers that need no restart. gitsync reads a Secret at each use, the servers only at their first start."""


def readers(instance: Instance, paths: Iterable[str]) -> list[str]:
    """Return the workloads, as ``kind/name``, that must restart after a change of the keys ``NAME/KEY``."""
    wanted = {(instance.named(name), key) for name, _slash, key in (path.partition("/") for path in paths)}
    return [
        f"{item['kind'].lower()}/{item['metadata']['name']}"
        for item in instance.get("deployments,statefulsets", "--selector", instance.selector)["items"]
        if wanted & set(keys_of(item["spec"]["template"]["spec"]))
    ]


def keys_of(pod: Any) -> Iterator[tuple[str, str]]:
    """The Secrets and keys that a pod's containers read only at their start."""
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        if container["name"] in READ_ANEW:
            continue
        mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
        for volume in pod.get("volumes", ()):
            if volume["name"] in mounted:
                yield from keys_in(volume)
        for variable in container.get("env", ()):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield reference["name"], reference["key"]


def keys_in(volume: Any) -> Iterator[tuple[str, str]]:
    sources = [source["secret"] for source in volume.get("projected", {}).get("sources", ()) if "secret" in source]
    if "secret" in volume:
        sources.append({**volume["secret"], "name": volume["secret"]["secretName"]})
    for source in sources:
        for item in source.get("items", ()):
            yield source["name"], item["key"]
