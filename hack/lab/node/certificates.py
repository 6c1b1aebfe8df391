"""The node's certificate authority and certificates. Missing, changed and expiring ones are made anew."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hack.lab.node import plan as names
from hack.lab.node.commands import run, succeeds
from hack.lab.node.errors import NodeError

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.plan import Plan
    from hack.progress import Step

DAY = 24 * 3600
AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 365
RENEW_BEFORE = 30 * DAY
CURVE = ("-pkeyopt", "ec_paramgen_curve:prime256v1")

AUTHORITY_REQUEST = """\
[req]
distinguished_name = subject
x509_extensions = extensions
[subject]
[extensions]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign,digitalSignature
subjectKeyIdentifier = hash
"""


@dataclass(frozen=True)
class Certificate:
    """One key pair, for a user and a group in Kubernetes' sense."""

    name: str
    user: str
    group: str = ""
    alternatives: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return (f"/O={self.group}" if self.group else "") + f"/CN={self.user}"

    @property
    def extensions(self) -> str:
        lines = ["keyUsage = critical,digitalSignature", "extendedKeyUsage = clientAuth,serverAuth"]
        if self.alternatives:
            lines.append("subjectAltName = " + ",".join(self.alternatives))
        return "\n".join(lines) + "\n"


def certificates(plan: Plan) -> list[Certificate]:
    services = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    services.append(f"kubernetes.default.svc.{names.CLUSTER_DOMAIN}")
    api_names = [f"DNS:{name}" for name in [*services, "localhost"]]
    api_names += [f"IP:{address}" for address in ("127.0.0.1", plan.address, names.API_SERVICE)]
    return [
        Certificate("apiserver", "kube-apiserver", alternatives=tuple(api_names)),
        Certificate("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        Certificate("front-proxy", "front-proxy"),
        Certificate("admin", "kubernetes-admin", "system:masters"),
        Certificate("controller-manager", "system:kube-controller-manager"),
        Certificate("scheduler", "system:kube-scheduler"),
        Certificate("proxy", "system:kube-proxy"),
        Certificate("coredns", "system:coredns"),
        Certificate("kubelet", f"system:node:{plan.name}", "system:nodes", (f"DNS:{plan.name}", f"IP:{plan.address}")),
    ]


CLIENTS = ("controller-manager", "scheduler", "proxy", "coredns", "kubelet")
"""Programs with a kubeconfig in the configuration folder. The administrator's is elsewhere."""


def prepare(plan: Plan, current: Step) -> None:
    plan.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    _prepare_authority(plan.pki)
    _prepare_service_account_key(plan.pki)
    for certificate in certificates(plan):
        current.tick(f"certificate of {certificate.name}")
        prepare_certificate(plan.pki, certificate)
    for who in CLIENTS:
        write_private(plan.kubeconfig(who), json.dumps(kubeconfig(plan, who), indent=1))
    write_private(plan.admin_kubeconfig, json.dumps(kubeconfig(plan, "admin"), indent=1))


def kubeconfig(plan: Plan, who: str) -> dict[str, Any]:
    """A kubeconfig file as JSON, which is valid YAML."""

    def content(file: str) -> str:
        return base64.b64encode((plan.pki / file).read_bytes()).decode()

    cluster = {"server": plan.server, "certificate-authority-data": content("ca.crt")}
    user = {"client-certificate-data": content(f"{who}.crt"), "client-key-data": content(f"{who}.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": plan.name, "cluster": cluster}],
        "users": [{"name": who, "user": user}],
        "contexts": [{"name": plan.name, "context": {"cluster": plan.name, "user": who}}],
        "current-context": plan.name,
    }


def write_private(path: Path, text: str) -> None:
    """Write a file that only root can read, in one step, and only if its text has changed."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.next")
    staged.unlink(missing_ok=True)
    staged.touch(mode=0o600)
    staged.write_text(text)
    staged.replace(path)


def _prepare_authority(pki: Path) -> None:
    if _good(pki, "ca", RENEW_BEFORE):
        return
    request = pki / "ca.request"
    request.write_text(AUTHORITY_REQUEST)
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", *CURVE, "-nodes", "-config", str(request)),
        *("-subj", "/CN=kube-airflow node", "-days", str(AUTHORITY_DAYS)),
        *("-keyout", str(pki / "ca.key"), "-out", str(pki / "ca.crt")),
    )


def _prepare_service_account_key(pki: Path) -> None:
    key, public = str(pki / "service-account.key"), pki / "service-account.pub"
    if not succeeds("openssl", "pkey", "-in", key, "-noout"):
        run("openssl", "genpkey", "-algorithm", "EC", *CURVE, "-out", key)
    write_private(public, run("openssl", "pkey", "-in", key, "-pubout"))


def prepare_certificate(pki: Path, certificate: Certificate) -> None:
    """Make a certificate if it is missing, changed or about to expire."""
    authority = hashlib.sha256((pki / "ca.crt").read_bytes()).hexdigest()
    description = f"# {certificate.subject}, signed by {authority}\n{certificate.extensions}"
    request = pki / f"{certificate.name}.request"
    if request.exists() and request.read_text() == description and _good(pki, certificate.name, RENEW_BEFORE):
        return
    _sign(pki, certificate, description)


def _sign(pki: Path, certificate: Certificate, description: str) -> None:
    stem = str(pki / certificate.name)
    # This file is removed first and written last. So after a crash the certificate counts as missing.
    (pki / f"{certificate.name}.request").unlink(missing_ok=True)
    extensions = pki / f"{certificate.name}.extensions"
    extensions.write_text(certificate.extensions)
    signing_request = run(
        *("openssl", "req", "-new", "-newkey", "ec", *CURVE, "-nodes"),
        *("-subj", certificate.subject, "-keyout", f"{stem}.key"),
    )
    run(
        *("openssl", "x509", "-req", "-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key")),
        *("-set_serial", f"0x{secrets.token_hex(16)}", "-days", str(CERTIFICATE_DAYS)),
        *("-extfile", str(extensions), "-out", f"{stem}.crt"),
        text=signing_request,
    )
    extensions.rename(pki / f"{certificate.name}.request")
    (pki / f"{certificate.name}.request").write_text(description)


def _good(pki: Path, name: str, seconds: int) -> bool:
    """Whether the certificate and the key exist, belong together, and are valid for ``seconds``."""
    certificate, key = str(pki / f"{name}.crt"), str(pki / f"{name}.key")
    try:
        certified = run("openssl", "x509", "-in", certificate, "-noout", "-pubkey", "-checkend", str(seconds))
        public = run("openssl", "pkey", "-in", key, "-pubout")
    except NodeError:
        return False
    return certified.startswith(public)
