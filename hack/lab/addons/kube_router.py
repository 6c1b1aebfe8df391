"""kube-router: enforces NetworkPolicies, and nothing else. Routes and Services stay as the node makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.lab.addons import beside, modules
from hack.lab.node import build, network, prerequisites
from hack.lab.node import plan as names
from hack.lab.node.commands import run
from hack.lab.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from hack.lab.node.plan import Plan

PACKAGES = {"iptables": "iptables", "ipset": "ipset"}
CHAINS = ("KUBE-ROUTER", "KUBE-POD-FW", "KUBE-NWPLCY")
HEALTH_PORT = 20244


def up(plan: Plan) -> None:
    prerequisites.install_missing(PACKAGES)
    build.build_modules(plan.cache, (modules.KUBE_ROUTER,))
    with step("starting kube-router") as current:
        beside.start_answering(plan, program(plan), f"{plan.address}:{HEALTH_PORT}/healthz", current)


def down(plan: Plan) -> None:
    """Remove kube-router and its packet filter rules. Its own option for that does not work."""
    with step("removing kube-router"):
        beside.stop(plan, [program(plan)])
        prerequisites.install_missing(PACKAGES)
        rules = run(*network.inside(plan), "iptables-save", "--table=filter").splitlines(keepends=True)
        kept = [line for line in rules if not any(name in line for name in CHAINS)]  # the kubelet's rules stay
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
