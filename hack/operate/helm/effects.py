"""Once all values are known: takes out those without effect, and says what must come first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hack.operate.helm.overlay import Overlay
    from hack.operate.helm.table import Keys, Row

ONLY_WITH = {"redis": "redis", "pgbouncer": "pgbouncer", "statsd": "metrics"}
"""Workloads that a component brings."""
NOT_WITH = {
    "postgres": ("external-postgres",),
    "worker": ("executor-local",),
    "flower": ("executor-local", "executor-kubernetes"),
}
"""Workloads that a component removes."""
ON_A_WORKLOAD = (
    "replicas", "pod", "container", "volumes", "mounts", "pod-annotations", "storage", "service-account",
)  # fmt: skip
TOPS = {
    "flower": "flower", "pgbouncer": "pgbouncer", "postgresql": "postgres", "redis": "redis", "workers": "worker",
}  # fmt: skip
"""Workloads by the charts' names, for values without a row of their own."""


def take_out(found: dict[Keys, Row], values: Mapping[Keys, Any], overlay: Overlay) -> None:
    """Take rows without effect out of ``found``, say why, and drop patches of workloads that are not built."""
    for path, row in list(found.items()):
        reason = _reason(row.action.split(), values[path], overlay) if row.kind == "do" else None
        if row.kind == "hand":
            reason = _absent(TOPS.get(path[0], ""), overlay)
        if reason:
            del found[path]
            overlay.leave(f"{'.'.join(path)}: no effect, because {reason}")
    for by_workload in (overlay.workloads, overlay.claims, overlay.accounts):
        for name in [each for each in by_workload if _absent(each, overlay)]:
            del by_workload[name]
    mounts_without_a_volume(overlay)


def mounts_without_a_volume(overlay: Overlay) -> None:
    """Take out mounts of volumes that the values do not have: the chart made them, and here nothing does."""
    of_all = {each["name"] for each in _pod(overlay, "").get("volumes", [])}
    for workload in overlay.workloads:
        pod = _pod(overlay, workload)
        known = of_all | {each["name"] for each in pod.get("volumes", [])}
        for container in pod.get("containers", []):
            given = container.get("volumeMounts", [])
            for each in [each for each in given if each["name"] not in known]:
                given.remove(each)
                overlay.by_hand(f"the mount at {each['mountPath']} is left out: the values do not have its volume")


def _pod(overlay: Overlay, workload: str) -> dict[str, Any]:
    found: dict[str, Any] = overlay.workloads.get(workload, {}).get("spec", {}).get("template", {}).get("spec", {})
    return found


def _reason(action: list[str], value: Any, overlay: Overlay) -> str | None:
    verb, *arguments = action
    needs = "persistent-logs" if verb == "claim" else arguments[0] if verb == "component" and value else None
    if needs and needs not in overlay.components:
        return f"the overlay is without the component {needs}"
    if verb == "bundled" and value and arguments[0] in overlay.components:
        return f"the component {arguments[0]} is chosen"
    if verb == "flower":
        return _absent("flower", overlay)
    if verb not in ON_A_WORKLOAD or not arguments:
        return None
    if verb == "replicas" and "replicas" not in overlay.workloads.get(arguments[0], {}).get("spec", {}):
        return _absent(arguments[0], overlay) or "another component says how many there are"
    return _absent(arguments[0], overlay)


def _absent(workload: str, overlay: Overlay) -> str | None:
    """Why a workload is not built."""
    wanted = ONLY_WITH.get(workload)
    if wanted and wanted not in overlay.components:
        return f"there is no {workload} without the component {wanted}"
    found = [each for each in NOT_WITH.get(workload, ()) if each in overlay.components]
    return f"there is no {workload} with the component {found[0]}" if found else None


def first(overlay: Overlay) -> Iterator[str]:
    """Steps without which the overlay cannot be applied, or must not be."""
    cure = "write its address into gitsync.yaml, or choose the component embedded-dags"
    if overlay.without_git and not overlay.from_bundle:
        yield f"- DAGs did not come from a Git repository: {cure}"
    elif "repo" not in overlay.source:
        yield f"- the values name no DAG repository: {cure}"
    if host := overlay.database.get("POSTGRES_HOST"):
        yield (
            f"- the database at {host} belongs to the old release while that runs: name an empty one in "
            "values/database.env until the switch. Two schedulers of two releases must never use one database"
        )
    if "persistent-logs" in overlay.components:
        yield (
            f"- the logs need their claim: look at its size and class, then "
            f"`kubectl apply -f overlays/{overlay.name}/logs-claim.yaml`"
        )
