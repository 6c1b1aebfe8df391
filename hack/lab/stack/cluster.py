"""Chooses the cluster: the embedded node, or the cluster that kubectl talks to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hack.lab.addons import catalog
from hack.lab.node import build, lifecycle
from hack.lab.node.plan import plan_from_environment
from hack.operate.cluster import Cluster
from hack.operate.errors import Failure

if TYPE_CHECKING:
    from hack.lab.node.plan import Plan


def embedded(plan: Plan) -> Cluster:
    return Cluster(str(build.binaries(plan.cache)["kubectl"]), str(plan.admin_kubeconfig), plan.address)


def ensure() -> Cluster:
    """The chosen cluster. The embedded node is started first."""
    if wants_current():
        cluster = connected()
        cluster.must_answer()
        return cluster
    plan = plan_from_environment()
    lifecycle.up(plan)
    catalog.resume(plan)
    return embedded(plan)


def connected() -> Cluster:
    """The chosen cluster, without starting it. Raises Failure if the embedded node was never made."""
    if wants_current():
        return Cluster()
    plan = plan_from_environment()
    cluster = embedded(plan)
    if not os.access(plan.admin_kubeconfig, os.R_OK) or not os.access(cluster.kubectl, os.X_OK):
        cure = "`make up` makes it; CLUSTER=current takes the cluster that kubectl talks to"
        raise Failure(f"there is no node {plan.name} on this machine, or it is another user's: {cure}")
    return cluster


def wants_current() -> bool:
    """Whether CLUSTER=current chooses kubectl's own cluster. Raises Failure for an unknown value."""
    wanted = os.environ.get("CLUSTER") or "embedded"
    if wanted not in ("current", "embedded"):
        raise Failure(f"CLUSTER={wanted} is unknown: use `embedded` (the default) or `current`")
    return wanted == "current"
