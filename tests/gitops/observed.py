"""Reads the cluster's objects in a form for comparisons with an earlier state."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hack.operate.instance import Instance

Pods = dict[str, set[str]]
"""Pods by their tier: each one's identity and restarts."""


def pods(instance: Instance) -> Pods:
    """Return the pods that are to stay."""
    found: Pods = {}
    for each in instance.get("pods", "--selector", instance.selector)["items"]:
        meta, status = each["metadata"], each["status"]
        if "deletionTimestamp" not in meta and status["phase"] != "Succeeded":
            restarts = sum(container["restartCount"] for container in status.get("containerStatuses", ()))
            found.setdefault(meta["labels"]["app.kubernetes.io/component"], set()).add(f"{meta['uid']} {restarts}")
    return found


def rolled(before: Pods, after: Pods) -> set[str]:
    """Return the tiers that have kept no pod."""
    return {tier for tier in before if not before[tier] & after.get(tier, set())}


def data(instance: Instance) -> dict[str, str]:
    """Return claims and Secrets by their identity."""
    items = instance.get("persistentvolumeclaims,secrets")["items"]
    return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["uid"] for each in items}


def versions(instance: Instance, names: Iterable[str]) -> dict[str, str]:
    """Return what changes of each object when somebody writes to it; a status is others' matter."""
    items = instance.get(*(name.lower() for name in sorted(names)))["items"]
    meta = [each["metadata"] for each in items]
    return {f"{each['name']} {each['uid']}": str(each.get("generation", each["resourceVersion"])) for each in meta}


def images(instance: Instance) -> set[str]:
    """Return the images of all pods that are there."""
    found = instance.get("pods", "--selector", instance.selector)["items"]
    return {container["image"] for each in found for container in each["spec"]["containers"]}


def waits(instance: Instance) -> set[str]:
    """Return the reasons for which containers do not start."""
    found = instance.get("pods", "--selector", instance.selector)["items"]
    states = [container["state"] for each in found for container in each["status"].get("containerStatuses", ())]
    return {state["waiting"].get("reason", "") for state in states if "waiting" in state}
