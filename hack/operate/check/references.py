"""The names in a build: each is that of an object of the build, or of one that is made beside the overlay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.operate.check.built import CLUSTER_WIDE, Reference, called, namespace
from hack.operate.check.named import uses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hack.operate.check.built import Build
    from hack.operate.check.named import Use
    from hack.operate.overlay import Names, Object

BESIDE = {"PersistentVolumeClaim", "Secret"}
"""Kinds that the manifests never have: they are made beside the overlay."""


def faults(
    build: Build, made: Collection[Reference], names: Names | None, beside: Collection[str] = ()
) -> Iterator[str]:
    """Yield a sentence for each name that leads nowhere, and its cure.

    ``made``: the Secrets and claims of an instance, by their names in the base. ``names``: the names of the instance.
    ``beside``: objects as ``KIND/NAME`` that exist without the overlay.
    """
    yield from _without_namespace(build)
    for use in uses(build):
        if found := build.find(use.wanted):
            yield from _missing_keys(use, found)
        elif f"{use.wanted.kind}/{use.wanted.name}" in beside:
            continue
        elif use.wanted.kind not in BESIDE:
            yield f"{called(use.user)}: there is no {use.wanted} in the build: {_cure(build, use.wanted)}"
        elif right := _right_name(use.wanted, made, names):
            yield (
                f"{called(use.user)}: names the {use.wanted}, but the instance's is {right}: list the component in the "
                "overlay that sets namePrefix and namespace, or set both here again"
            )
    yield from _of_roles(build)


def outside(build: Build) -> list[Reference]:
    """Return the Secrets and claims that the build needs and does not have, sorted."""
    wanted = {use.wanted for use in uses(build) if use.wanted.kind in BESIDE and not build.find(use.wanted)}
    return sorted(wanted, key=lambda each: (each.kind, each.name))


def _without_namespace(build: Build) -> Iterator[str]:
    """Yield one sentence if some objects have a namespace and others none: they would be applied apart."""
    having = {namespace(each) for each in build.objects} - {""}
    lacking = [each for each in build.objects if not namespace(each) and each["kind"] not in CLUSTER_WIDE]
    if having and lacking:
        known = ", ".join(sorted(having))
        yield (
            f"{len(lacking)} objects have no namespace, and others are in {known}; the first is {called(lacking[0])}. "
            f"Kustomize gives names no prefix across namespaces: write `namespace: {min(having)}` in the overlay"
        )


def _missing_keys(use: Use, found: Object) -> Iterator[str]:
    """Yield what is lacking in an object that is there: keys of configuration, ports of a Service."""
    if found["kind"] == "Service":
        ports = (found.get("spec") or {}).get("ports") or ()
        there = {each.get("name") for each in ports} | {each["port"] for each in ports}
    else:
        there = {key for field in ("data", "binaryData", "stringData") for key in found.get(field) or ()}
    for key in use.keys:
        if key not in there:
            known = ", ".join(sorted(str(each) for each in there if each)) or "none"
            what = "port" if found["kind"] == "Service" else "key"
            yield f"{called(use.user)}: the {use.wanted} has no {what} {key}; it has {known}"


def _cure(build: Build, missing: Reference) -> str:
    near = build.near(missing)
    if not near:
        return f"add it, remove what names it, or say `--beside {missing.kind}/{missing.name}` if it exists already"
    known = ", ".join(f"{each.name}" + (f" in {each.namespace}" if each.namespace else "") for each in near)
    return f"it has {known}. List the component in the overlay that sets namePrefix, or write the whole name"


def _right_name(named: Reference, made: Collection[Reference], names: Names | None) -> str:
    """Return what an object of the instance is really called, if it is named without a part of the prefix or suffix."""
    for bare in made if names else ():
        prefix, found, suffix = named.name.partition(bare.name)
        right = names.of(bare.name) if names else ""
        parts = names and _part(prefix, names.prefix) and _part(suffix, names.suffix)
        if found and parts and bare.kind == named.kind and named.name != right:
            return right
    return ""


def _part(given: str, whole: str) -> bool:
    return whole.startswith(given) or whole.endswith(given)


def _of_roles(build: Build) -> Iterator[str]:
    """Yield names of workloads and ConfigMaps in Roles that lack their prefix. Others may be made later."""
    kinds = {"configmaps": "ConfigMap", "deployments": "Deployment", "statefulsets": "StatefulSet"}
    for role in build.of_kind("Role"):
        for rule in role.get("rules") or ():
            for kind in (kinds[each] for each in rule.get("resources") or () if each in kinds):
                for each in rule.get("resourceNames") or ():
                    wanted = Reference(kind, each, namespace(role))
                    if not build.find(wanted) and build.near(wanted):
                        yield f"{called(role)}: there is no {wanted} in the build: {_cure(build, wanted)}"
