"""Prometheus with its operator, for the ServiceMonitors and PrometheusRules of all namespaces.

The operator makes no pods (`replicas: 0`), but writes their configuration. A Prometheus beside the node's programs uses
that configuration.
"""

from __future__ import annotations

import base64
import gzip
import shutil
import urllib.request
from functools import partial
from typing import TYPE_CHECKING, Any

from hack.lab.addons import beside, modules
from hack.lab.node import build, certificates, processes
from hack.lab.node.cluster import get
from hack.lab.node.health import error_of
from hack.lab.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.plan import Plan

GROUPS = ("monitoring.coreos.com",)
NAMESPACE, NAME = "monitoring", "main"
PORT, OPERATOR_PORT = 9090, 9089
RULES = "/etc/prometheus/rules/"
"""The folder of rules in the operator's pods."""
POD = {"$(POD_NAME)": f"prometheus-{NAME}-0", "$(SHARD)": "0"}
"""The placeholders in the configuration that a pod's reloader would replace, and their values."""


def up(plan: Plan) -> None:
    build.build_modules(plan.cache, (modules.PROMETHEUS_OPERATOR, modules.PROMETHEUS))
    with step("starting Prometheus") as current:
        beside.declare(plan, GROUPS, [beside.namespace(NAMESPACE), wanted(plan)])
        beside.start_answering(plan, operator(plan), f"{plan.address}:{OPERATOR_PORT}/healthz", current)
        what, needs = "the operator has written no configuration", ("operator",)
        check = partial(error_of, partial(configure, plan))
        processes.wait_for(plan, what, check, needs, limit=beside.READY_SECONDS, current=current)
        beside.start_answering(plan, program(plan), f"{plan.address}:{PORT}/-/ready", current)
        reload(plan)


def down(plan: Plan) -> None:
    """Remove Prometheus, the operator, and all monitors and rules."""
    with step("removing Prometheus"):
        beside.stop(plan, [program(plan), operator(plan)])
        beside.forget(plan, GROUPS, NAMESPACE)
        shutil.rmtree(folder(plan))


def folder(plan: Plan) -> Path:
    return plan.state / "prometheus"


def wanted(plan: Plan) -> dict[str, Any]:
    """The Prometheus object: it selects all monitors and rules, and has the cluster's address and certificates."""
    files = {"certFile": "admin.crt", "keyFile": "admin.key", "caFile": "ca.crt"}
    specification = {
        "replicas": 0,
        "version": released(modules.PROMETHEUS.version),
        "apiserverConfig": {
            "host": plan.server,
            "tlsConfig": {option: str(plan.pki / name) for option, name in files.items()},
        },
        **{f"{kind}{which}": {} for kind in ("serviceMonitor", "rule") for which in ("Selector", "NamespaceSelector")},
    }
    name = {"name": NAME, "namespace": NAMESPACE}
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": name, "spec": specification}


def released(version: str) -> str:
    """The version of Prometheus for a version of its module, such as v3.16.0 for v0.316.0."""
    _, numbers, fix = version.split(".")
    major, minor = divmod(int(numbers), 100)
    return f"v{major}.{minor}.{fix}"


def operator(plan: Plan) -> Program:
    command = (
        str(build.programs_of(plan.cache, modules.PROMETHEUS_OPERATOR) / "operator"),
        f"--apiserver={plan.server}",
        f"--cert-file={plan.pki / 'admin.crt'}",
        f"--key-file={plan.pki / 'admin.key'}",
        f"--ca-file={plan.pki / 'ca.crt'}",
        f"--web.listen-address={plan.address}:{OPERATOR_PORT}",
    )
    return Program("operator", command)


def program(plan: Plan) -> Program:
    command = (
        str(build.programs_of(plan.cache, modules.PROMETHEUS) / "prometheus"),
        f"--config.file={folder(plan) / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder(plan) / 'data'}",
        f"--web.listen-address={plan.address}:{PORT}",
        "--web.enable-lifecycle",
    )
    return Program("prometheus", command)


def configure(plan: Plan) -> None:
    """Write the operator's current configuration for Prometheus, as a pod's reloader would."""
    read = partial(get, plan, build.binaries(plan.cache), f"--namespace={NAMESPACE}")
    secret = read("secret", f"prometheus-{NAME}")["data"]["prometheus.yaml.gz"]
    text = gzip.decompress(base64.b64decode(secret)).decode()
    for old, new in {**POD, RULES: f"{folder(plan) / 'rules'}/"}.items():
        text = text.replace(old, new)
    certificates.write_private(folder(plan) / "prometheus.yaml", text)
    for found in read("configmaps", f"--selector=prometheus-name={NAME}")["items"]:
        for name, rules in found.get("data", {}).items():  # without rules the ConfigMap has no data
            certificates.write_private(folder(plan) / "rules" / found["metadata"]["name"] / name, rules)


def reload(plan: Plan) -> None:
    """Make a running Prometheus read its configuration again."""
    urllib.request.urlopen(f"http://{plan.address}:{PORT}/-/reload", data=b"", timeout=60).close()
