"""What the objects of a build name: configuration, Secrets, claims, accounts, Services, workloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hack.operate.check.built import Reference, carefully, namespace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hack.operate.check.built import Build, Pod
    from hack.operate.overlay import Object


HOSTS = {
    "AIRFLOW__METRICS__STATSD_HOST",
    "API_SERVER_HOST",
    "BROKER_HOST",
    "GITSYNC_HOST",
    "GIT_SERVER_HOST",
    "POSTGRES_HOST",
    "POSTGRES_POOLER_HOST",
}
"""Keys of ConfigMaps whose values are names of Services, to which Kustomize adds the prefix."""


@dataclass(frozen=True)
class Use:
    """An object, and one other that it names. ``keys`` are the keys or ports that it needs of that one."""

    user: Object
    wanted: Reference
    keys: tuple[str | int, ...] = ()


def uses(build: Build) -> Iterator[Use]:
    """Yield everything that is named and must be there; what is marked as optional is not."""
    for pod in build.pods:
        for wanted, keys in carefully(pod.owner, _of_pod(pod)):
            yield Use(pod.owner, Reference(*wanted, namespace(pod.owner)), keys)
    for found in build.objects:
        for reference, keys in carefully(found, OF_KIND.get(found["kind"], _nothing)(found)):
            yield Use(found, reference, keys)


Named = tuple[tuple[str, str], tuple[str | int, ...]]
"""Kind and name of an object in the pod's namespace, and keys."""
Wanted = tuple[Reference, tuple[str | int, ...]]
"""An object, and keys or ports of it."""


def _of_pod(pod: Pod) -> Iterator[Named]:
    for container in pod.containers:
        yield from _of_container(container)
    for volume in pod.spec.get("volumes") or ():
        yield from _of_volume(volume)
    for each in pod.spec.get("imagePullSecrets") or ():
        yield ("Secret", each["name"]), ()
    account = pod.spec.get("serviceAccountName", "default")
    if account != "default":
        yield ("ServiceAccount", account), ()


def _of_container(container: Object) -> Iterator[Named]:
    for each in container.get("envFrom") or ():
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            yield from _reference(kind, each.get(field))
    for each in container.get("env") or ():
        source = each.get("valueFrom") or {}
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            yield from _reference(kind, source.get(field))


def _of_volume(volume: Object) -> Iterator[Named]:
    projected = (volume.get("projected") or {}).get("sources") or ()
    for source in (volume, *projected):
        yield from _reference("ConfigMap", source.get("configMap"))
        yield from _reference("Secret", source.get("secret"))
    if claim := volume.get("persistentVolumeClaim"):
        yield ("PersistentVolumeClaim", claim["claimName"]), ()


def _reference(kind: str, found: Object | None) -> Iterator[Named]:
    """Yield what a volume, a variable or a list of variables names."""
    if not found or found.get("optional"):
        return
    called = str(found.get("name") or found.get("secretName") or "")
    keys = [each["key"] for each in found.get("items") or ()] + ([found["key"]] if "key" in found else [])
    if called != "kube-root-ca.crt":  # Kubernetes makes it
        yield (kind, called), tuple(keys)


def _nothing(_found: Object) -> Iterable[Wanted]:
    return ()


def _of_stateful_set(found: Object) -> Iterator[Wanted]:
    if service := found["spec"].get("serviceName"):
        yield Reference("Service", service, namespace(found)), ()


def _of_ingress(found: Object) -> Iterator[Wanted]:
    spec = found["spec"]
    paths = [path for rule in spec.get("rules") or () for path in (rule.get("http") or {}).get("paths") or ()]
    for backend in (spec.get("defaultBackend") or {}, *(path["backend"] for path in paths)):
        if service := backend.get("service"):
            ports = tuple((service.get("port") or {}).values())
            yield Reference("Service", service["name"], namespace(found)), ports
    for tls in spec.get("tls") or ():
        if secret := tls.get("secretName"):
            yield Reference("Secret", secret, namespace(found)), ()


def _of_route(found: Object) -> Iterator[Wanted]:
    for rule in found["spec"].get("rules") or ():
        for backend in rule.get("backendRefs") or ():
            if backend.get("kind", "Service") == "Service":
                where = backend.get("namespace") or namespace(found)
                yield Reference("Service", backend["name"], where), (backend["port"],) if "port" in backend else ()


def _of_scaler(found: Object) -> Iterator[Wanted]:
    spec = found["spec"]
    target = spec.get("scaleTargetRef") or spec.get("targetRef") or {}
    if target:
        yield Reference(target.get("kind", "Deployment"), target["name"], namespace(found)), ()
    for trigger in spec.get("triggers") or ():
        authentication = trigger.get("authenticationRef") or {}
        if authentication and authentication.get("kind", "TriggerAuthentication") == "TriggerAuthentication":
            yield Reference("TriggerAuthentication", authentication["name"], namespace(found)), ()


def _of_authentication(found: Object) -> Iterator[Wanted]:
    for each in found["spec"].get("secretTargetRef") or ():
        yield Reference("Secret", each["name"], namespace(found)), (each["key"],)


def _of_binding(found: Object) -> Iterator[Wanted]:
    if found["roleRef"]["kind"] == "Role":
        yield Reference("Role", found["roleRef"]["name"], namespace(found)), ()
    for subject in found.get("subjects") or ():
        if subject["kind"] == "ServiceAccount" and subject["name"] != "default":
            yield Reference("ServiceAccount", subject["name"], subject.get("namespace") or namespace(found)), ()


def _of_config_map(found: Object) -> Iterator[Wanted]:
    """Yield the Services whose names are values."""
    for key, value in (found.get("data") or {}).items():
        if key in HOSTS and value and value != "localhost" and "." not in value and ":" not in value:
            yield Reference("Service", value, namespace(found)), ()


OF_KIND = {
    "ConfigMap": _of_config_map,
    "GRPCRoute": _of_route,
    "HTTPRoute": _of_route,
    "HorizontalPodAutoscaler": _of_scaler,
    "Ingress": _of_ingress,
    "RoleBinding": _of_binding,
    "ScaledObject": _of_scaler,
    "StatefulSet": _of_stateful_set,
    "TriggerAuthentication": _of_authentication,
    "VerticalPodAutoscaler": _of_scaler,
}
"""How each kind names others."""
