"""Traefik: an Ingress and Gateway API controller, at the ports 80 and 443 of the node's address."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from hack.lab.addons import beside, crds, modules, reduced
from hack.lab.node import build, certificates
from hack.lab.node.cluster import kubectl
from hack.lab.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.plan import Plan

LEGO = crds.Source(
    "github.com/go-acme/lego/v5", "v5.4.1", "h1:Jt6xAP9xQrJ3SLLGgxejfDDd3pzdrmuLCWe4oTqHHQc=", "providers/dns", ()
)
GROUPS = ("gateway.networking.k8s.io",)
CLASS = "traefik"
NAMESPACE, GATEWAY = "gateways", "public"
DOMAIN = "example.org"
PING_PORT = 8092  # Argo CD has its metrics at 8082


def up(plan: Plan) -> None:
    build_program(plan.cache)
    with step("starting Traefik") as current:
        beside.declare(plan, GROUPS, objects(plan))
        beside.start_answering(plan, program(plan), f"{plan.address}:{PING_PORT}/ping", current)


def down(plan: Plan) -> None:
    """Remove Traefik, the Gateway API, and all routes and gateways."""
    with step("removing Traefik"):
        beside.stop(plan, [program(plan)])
        binaries = build.binaries(plan.cache)
        definitions = crds.provide(plan.cache, crds.source(*GROUPS))
        goes = ("--ignore-not-found",)
        kubectl(plan, binaries, "delete", f"--filename={definitions}", *goes, limit=beside.GOES_SECONDS)
        kubectl(plan, binaries, "delete", "ingressclass", CLASS, *goes)
        kubectl(plan, binaries, "delete", "namespace", NAMESPACE, *goes, limit=beside.GOES_SECONDS)


def build_program(cache: Path) -> None:
    """Build Traefik without lego's DNS providers, some of whose modules cannot be downloaded everywhere."""
    reduced.build_reduced(cache, modules.TRAEFIK, LEGO, lambda lego: shutil.rmtree(lego / LEGO.folder))


def program(plan: Plan) -> Program:
    ports = {"web": 80, "websecure": 443, "traefik": PING_PORT}
    command = (
        str(build.programs_of(plan.cache, modules.TRAEFIK) / "traefik"),
        *(f"--entrypoints.{name}.address={plan.address}:{port}" for name, port in ports.items()),
        "--entrypoints.websecure.http.tls=true",
        "--providers.kubernetesingress.strictprefixmatching=true",
        "--providers.kubernetesgateway=true",
        "--ping=true",
        "--accesslog=true",
        "--global.checknewversion=false",
    )
    settings = ("env", f"KUBECONFIG={plan.admin_kubeconfig}")
    return Program("traefik", (*settings, *command), (plan.admin_kubeconfig,))


def certificate(plan: Plan) -> tuple[Path, Path]:
    """The files of a certificate for every host of DOMAIN, signed by the node's authority, and of its key."""
    wanted = certificates.Certificate("gateway", "gateway", alternatives=(f"DNS:*.{DOMAIN}",))
    certificates.prepare_certificate(plan.pki, wanted)
    return plan.pki / "gateway.crt", plan.pki / "gateway.key"


def objects(plan: Plan) -> list[dict[str, Any]]:
    """The objects that a cluster's administrators would make: the classes, and a Gateway for all namespaces."""
    chain, key = (file.read_text() for file in certificate(plan))
    group, name = "gateway.networking.k8s.io/v1", {"name": GATEWAY, "namespace": NAMESPACE}
    listener = {
        "name": "https",
        "protocol": "HTTPS",
        "port": 443,
        "tls": {"certificateRefs": [{"name": GATEWAY}]},
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return [
        {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": CLASS}}
        | {"spec": {"controller": "traefik.io/ingress-controller"}},
        {"apiVersion": group, "kind": "GatewayClass", "metadata": {"name": CLASS}}
        | {"spec": {"controllerName": "traefik.io/gateway-controller"}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": name, "type": "kubernetes.io/tls"}
        | {"stringData": {"tls.crt": chain, "tls.key": key}},
        {"apiVersion": group, "kind": "Gateway", "metadata": name}
        | {"spec": {"gatewayClassName": CLASS, "listeners": [listener]}},
    ]
