"""metrics-server: measures the processors and memory of pods, for HorizontalPodAutoscalers and `kubectl top`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.lab.addons import beside, modules, servers
from hack.lab.node import build
from hack.lab.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from hack.lab.node.plan import Plan

SERVER = servers.Server("metrics.k8s.io", "metrics-server", "kube-system", 4443)


def program(plan: Plan) -> Program:
    certificate, key = servers.certificate(plan, SERVER)
    account, authority = plan.admin_kubeconfig, plan.pki / "ca.crt"
    folder = build.programs_of(plan.cache, modules.METRICS_SERVER)
    command = (
        str(folder / "metrics-server"),
        f"--kubeconfig={account}",
        f"--authentication-kubeconfig={account}",
        f"--authorization-kubeconfig={account}",
        f"--bind-address={plan.address}",
        f"--secure-port={SERVER.port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--kubelet-certificate-authority={authority}",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-use-node-status-port",
        "--metric-resolution=15s",
    )
    return Program("metrics-server", command, (account, authority, certificate, key))


def up(plan: Plan) -> None:
    build.build_modules(plan.cache, (modules.METRICS_SERVER,))
    with step("starting metrics-server") as current:
        wanted = [program(plan)]
        beside.declare(plan, (), servers.objects(plan, SERVER))
        beside.start(plan, wanted)
        servers.wait(plan, SERVER, wanted, current)


def down(plan: Plan) -> None:
    with step("removing metrics-server"):
        servers.remove(plan, SERVER, [program(plan)])
