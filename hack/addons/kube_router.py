"""kube-router: enforces NetworkPolicies. Pods' routes and Services stay what the node makes them."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

from hack.addons import modules, servers
from hack.gitops import beside
from hack.node import build, network, prerequisites, processes
from hack.node import plan as names
from hack.node.commands import run
from hack.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from hack.node.plan import Plan

PACKAGES = {"iptables": "iptables", "ipset": "ipset"}
CHAINS = ("KUBE-ROUTER", "KUBE-POD-FW", "KUBE-NWPLCY")
HEALTH_PORT = 20244
READY_LIMIT = 120.0


def up(plan: Plan) -> None:
    prerequisites.install_missing(PACKAGES)
    build.build_modules(plan.cache, (modules.KUBE_ROUTER,))
    with step("starting kube-router") as current:
        wanted = program(plan)
        servers.start(plan, [wanted])
        what, needs = "kube-router is not healthy", (wanted.name,)
        processes.wait_for(plan, what, lambda: problem(plan), needs, limit=READY_LIMIT, current=current)


def down(plan: Plan) -> None:
    """Its own option that removes its rules removes none."""
    with step("removing kube-router"):
        beside.stop(plan, [program(plan)])
        prerequisites.install_missing(PACKAGES)
        rules = run(*network.inside(plan), "iptables-save", "--table=filter").splitlines(keepends=True)
        kept = [line for line in rules if not any(name in line for name in CHAINS)]  # the kubelet has some, too
        run(*network.inside(plan), "iptables-restore", text="".join(kept))
        run(*network.inside(plan), "ipset", "destroy")


def program(plan: Plan) -> Program:
    command = (
        str(build.programs_of(plan.cache, modules.KUBE_ROUTER) / "kube-router"),
        f"--kubeconfig={plan.admin_kubeconfig}",
        f"--service-cluster-ip-range={names.SERVICE_NETWORK}",
        f"--health-port={HEALTH_PORT}",
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
    )
    return Program("kube-router", ("env", f"NODE_NAME={plan.name}", *command), (plan.admin_kubeconfig,))


def problem(plan: Plan) -> str:
    try:
        with urllib.request.urlopen(f"http://{plan.address}:{HEALTH_PORT}/healthz", timeout=5):
            return ""
    except OSError as error:
        return str(error)
