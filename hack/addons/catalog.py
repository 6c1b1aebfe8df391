"""Which add-ons there are, and which a node has been given: a node that is stopped comes back with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.addons import argocd, flux, jaeger, keda, kube_router, metrics_server, prometheus, traefik, versitygw

if TYPE_CHECKING:
    from pathlib import Path

    from hack.node.plan import Plan

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
    """Start what the node has been given and does not run; the API that nobody serves would keep namespaces alive."""
    if _given(plan).exists():
        for name in sorted(each.name for each in _given(plan).iterdir()):
            ADDONS[name].up(plan)


def _given(plan: Plan) -> Path:
    return plan.state / "addons"
