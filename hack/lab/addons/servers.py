"""API servers of add-ons, run beside the node's own programs.

The cluster's API server reaches them as usual, through an APIService and a Service. The Service has no selector but an
EndpointSlice with the node's own address.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hack.lab.addons import beside
from hack.lab.node import build, certificates, processes
from hack.lab.node import plan as names
from hack.lab.node.cluster import get, kubectl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hack.lab.node.plan import Plan
    from hack.lab.node.programs import Program
    from hack.progress import Step


@dataclass(frozen=True)
class Server:
    """One group of the API, and the Service that serves it."""

    group: str
    service: str
    namespace: str
    port: int

    @property
    def host(self) -> str:
        return f"{self.service}.{self.namespace}.svc"

    @property
    def api_service(self) -> str:
        return f"v1beta1.{self.group}"


def certificate(plan: Plan, server: Server) -> tuple[Path, Path]:
    """The files of a certificate for the Service's name, signed by the node's authority, and of its key."""
    alternatives = (f"DNS:{server.host}", f"DNS:{server.host}.{names.CLUSTER_DOMAIN}", "IP:127.0.0.1")
    certificates.prepare_certificate(
        plan.pki, certificates.Certificate(server.service, server.service, alternatives=alternatives)
    )
    return plan.pki / f"{server.service}.crt", plan.pki / f"{server.service}.key"


def objects(plan: Plan, server: Server) -> list[dict[str, Any]]:
    """The objects through which the cluster's API server finds the server."""
    name = {"name": server.service, "namespace": server.namespace}
    port = {"name": "https", "protocol": "TCP"}
    authority = base64.b64encode((plan.pki / "ca.crt").read_bytes()).decode()
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": server.namespace}},
        {"apiVersion": "v1", "kind": "Service", "metadata": name}
        | {"spec": {"ports": [port | {"port": 443, "targetPort": server.port}]}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"}
        | {"metadata": name | {"labels": {"kubernetes.io/service-name": server.service}}}
        | {"endpoints": [{"addresses": [plan.address]}], "ports": [port | {"port": server.port}]},
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": server.api_service}}
        | {
            "spec": {
                "group": server.group,
                "version": "v1beta1",
                "service": name | {"port": 443},
                "caBundle": authority,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            }
        },
    ]


def wait(plan: Plan, server: Server, programs: Sequence[Program], current: Step) -> None:
    """Wait until the cluster's API server has reached the server. Raises NodeError."""
    needs = [program.name for program in programs]
    what = f"{server.api_service} is not available"
    processes.wait_for(plan, what, lambda: _problem(plan, server), needs, limit=beside.READY_SECONDS, current=current)


def _problem(plan: Plan, server: Server) -> str:
    found = get(plan, build.binaries(plan.cache), "apiservice", server.api_service)
    for condition in found.get("status", {}).get("conditions", []):
        if condition["type"] == "Available":
            return "" if condition["status"] == "True" else str(condition["message"])
    return "the API server has not looked at it"


def remove(plan: Plan, server: Server, programs: Sequence[Program]) -> None:
    """Remove the objects, then stop the programs. An API group without a server keeps namespaces from being deleted."""
    binaries = build.binaries(plan.cache)
    kubectl(plan, binaries, "delete", "apiservice", server.api_service, "--ignore-not-found")
    kubectl(
        plan, binaries, "delete", "service", server.service, f"--namespace={server.namespace}", "--ignore-not-found"
    )
    beside.stop(plan, programs)
