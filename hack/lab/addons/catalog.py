"""The list of add-ons, and the record of a node's add-ons. A node that was stopped starts with them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.lab.addons import argocd, flux, jaeger, keda, kube_router, metrics_server, prometheus, traefik, versitygw

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.plan import Plan

ADDONS = {
    "argocd": argocd,
    "flux": flux,
    "jaeger": jaeger,
    "keda": keda,
    "kube-router": kube_router,
    "metrics-server": metrics_server,
    "prometheus": prometheus,
    "traefik": traefik,
    "versitygw": versitygw,
}


def up(plan: Plan, name: str) -> None:
    ADDONS[name].up(plan)
    given = _given(plan)
    given.mkdir(exist_ok=True)
    (given / name).touch()


def down(plan: Plan, name: str) -> None:
    ADDONS[name].down(plan)
    (_given(plan) / name).unlink(missing_ok=True)


def resume(plan: Plan) -> None:
    """Start the node's add-ons. An API without its server would keep namespaces from being deleted."""
    if _given(plan).exists():
        for name in sorted(each.name for each in _given(plan).iterdir()):
            ADDONS[name].up(plan)


def _given(plan: Plan) -> Path:
    return plan.state / "addons"
