"""The actions of table rows on objects of components: bounds of autoscalers, the Ingress and its host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hack.operate.helm import shapes
from hack.operate.helm.outcome import ByHand, NoEffect

if TYPE_CHECKING:
    from hack.operate.helm.overlay import Overlay

Value = Any
SUB_PATH = "/airflow"
OLD_CLASS = "kubernetes.io/ingress.class"
"""An API server warns of this annotation, and refuses it beside the field."""
FIELDS = {"minReplicaCount": "minReplicas", "maxReplicaCount": "maxReplicas"}
"""Kubernetes' names of a HorizontalPodAutoscaler's fields, by the official chart's names."""


def scaled_object(overlay: Overlay, value: Value, field: str) -> None:
    """Set a field of KEDA's ScaledObject. The chart uses the same names."""
    overlay.operation("ScaledObject", f"/spec/{field}", value)


def pod_autoscaler(overlay: Overlay, value: Value, field: str) -> None:
    overlay.operation("HorizontalPodAutoscaler", f"/spec/{FIELDS.get(field, field)}", value)


def ingress(overlay: Overlay, value: Value) -> None:
    """The chart's `ingress.apiServer` or `ingress.web`: Airflow is at the first of its hosts, below SUB_PATH."""
    hosts = [each if isinstance(each, dict) else {"name": each} for each in value.get("hosts") or [value.get("host")]]
    hosts = [each for each in hosts if each.get("name")]
    if "ingress" not in overlay.components:
        raise NoEffect("the component ingress is not chosen")
    if not hosts:
        raise ByHand("it names no host: patch `/spec/rules/0/host` of the Ingress; Airflow is at `/airflow` of it")
    first, *others = hosts
    host, tls = shapes.name(first["name"]), _tls(first) or _tls(value)
    overlay.operation("Ingress", "/spec/rules/0/host", host)
    annotations = dict(value.get("annotations") or {})
    old = annotations.pop(OLD_CLASS, None)
    if kind := value.get("ingressClassName") or old:
        overlay.operation("Ingress", "/spec/ingressClassName", shapes.name(kind))
    if tls:
        overlay.operation("Ingress", "/spec/tls", [{"hosts": [host], "secretName": tls}])
    _annotate(overlay, annotations)
    address = f"{'https' if tls else 'http'}://{host}{SUB_PATH}"
    overlay.settings["AIRFLOW__API__BASE_URL"] = address
    overlay.by_hand(f"Airflow's page is {address}, and Flower's {address}/flower/: change what links to the old ones")
    if others:
        overlay.by_hand(f"further hosts go into the Ingress by hand: {', '.join(each['name'] for each in others)}")


def _tls(value: Value) -> str | None:
    """Set the Secret with the certificate."""
    found = value.get("tls") or {}
    return found.get("secretName") if found.get("enabled") else None


def _annotate(overlay: Overlay, given: Value) -> None:
    rewriting = sorted(name for name in given if "rewrite" in name)
    kept = {name: str(item) for name, item in given.items() if name not in rewriting}
    if kept:
        overlay.operation("Ingress", "/metadata/annotations", kept)
    if rewriting:
        overlay.by_hand(f"{', '.join(rewriting)} is left out: the path must reach Airflow as it is")
