"""KEDA: its operator and its metrics server, without its admission webhooks.

Only the scaler for PostgreSQL is built, because the clients of all the others take two thirds of the build's time.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from hack.lab.addons import beside, crds, modules, reduced, servers
from hack.lab.node import build, certificates
from hack.lab.node import plan as names
from hack.lab.node.cluster import kubectl
from hack.lab.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.plan import Plan

GROUPS = ("keda.sh",)
NAMESPACE = "keda"
SERVER = servers.Server("external.metrics.k8s.io", "keda-metrics-apiserver", NAMESPACE, 4444)
METRICS_SERVICE = "127.0.0.1:9666"
"""The address at which KEDA's metrics server asks the operator for its counts."""
ADAPTER_PORT = 9668

TRIGGER = "postgresql"
SCALERS = ("postgresql_scaler.go", "azure_queue_scaler.go")
"""The files to keep. The second one defines a name that all scalers use."""
OTHER_TRIGGER = re.compile(rf"""\tcase "(?!{TRIGGER}")[^:]*:\n\t\treturn .*\n""")

# Triggers contain host names of the cluster, so KEDA needs the cluster's name service.
WITH_NAMES = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


def reduce(keda: Path) -> None:
    for file in (keda / "pkg" / "scalers").glob("*_scaler.go"):
        if file.name not in SCALERS:
            file.unlink()
    builder = keda / "pkg" / "scaling" / "scalers_builder.go"
    builder.write_text(OTHER_TRIGGER.sub("", builder.read_text()))


def resolver(plan: Plan) -> str:
    """The resolv.conf that the kubelet would write into a pod."""
    domains = " ".join(f"{first}{names.CLUSTER_DOMAIN}" for first in (f"{NAMESPACE}.svc.", "svc.", ""))
    return f"nameserver {plan.address}\nsearch {domains}\noptions ndots:5\n"


def prepare_files(plan: Plan) -> Path:
    """Write the files that both programs read, under the names that they expect, and return their folder."""
    folder = plan.state / "keda"
    folder.mkdir(exist_ok=True, mode=0o700)
    certificates.write_private(folder / "resolv.conf", resolver(plan))
    found = (plan.pki / "ca.crt", *servers.certificate(plan, SERVER))
    for source, name in zip(found, ("ca.crt", "tls.crt", "tls.key"), strict=True):
        certificates.write_private(folder / name, source.read_text())
    return folder


def programs(plan: Plan, folder: Path) -> list[Program]:
    account, built = plan.admin_kubeconfig, build.programs_of(plan.cache, modules.KEDA)
    inputs = (account, *(folder / name for name in ("resolv.conf", "ca.crt", "tls.crt", "tls.key")))
    settings = ("env", f"KUBECONFIG={account}", f"KEDA_CLUSTER_OBJECT_NAMESPACE={NAMESPACE}", "WATCH_NAMESPACE=")
    start = ("unshare", "--mount", "sh", "-c", WITH_NAMES, str(folder / "resolv.conf"), *settings)
    operator = (
        str(built / "keda-operator"),
        "--enable-prometheus-metrics=false",
        "--health-probe-bind-address=0",
        f"--metrics-service-bind-address={METRICS_SERVICE}",
        f"--cert-dir={folder}",
    )
    adapter = (
        str(built / "keda-adapter"),
        f"--lister-kubeconfig={account}",
        f"--authentication-kubeconfig={account}",
        f"--authorization-kubeconfig={account}",
        f"--bind-address={plan.address}",
        f"--secure-port={SERVER.port}",
        f"--port={ADAPTER_PORT}",
        f"--metrics-service-address={METRICS_SERVICE}",
        f"--cert-dir={folder}",
        f"--client-ca-file={folder / 'ca.crt'}",
        f"--tls-cert-file={folder / 'tls.crt'}",
        f"--tls-private-key-file={folder / 'tls.key'}",
    )
    return [
        Program("keda-operator", (*start, *operator), inputs),
        Program("keda-adapter", (*start, *adapter), inputs),
    ]


def up(plan: Plan) -> None:
    reduced.build_reduced(plan.cache, modules.KEDA, crds.source(*GROUPS), reduce)
    with step("starting KEDA") as current:
        wanted = programs(plan, prepare_files(plan))
        beside.declare(plan, GROUPS, servers.objects(plan, SERVER))
        beside.start(plan, wanted)
        servers.wait(plan, SERVER, wanted, current)


def down(plan: Plan) -> None:
    """Remove KEDA. Its objects go first, while the operator still handles their finalizers."""
    with step("removing KEDA"):
        binaries = build.binaries(plan.cache)
        definitions = crds.provide(plan.cache, crds.source(*GROUPS))
        options = ("--ignore-not-found", f"--filename={definitions}")
        kubectl(plan, binaries, "delete", *options, limit=beside.GOES_SECONDS)
        servers.remove(plan, SERVER, programs(plan, prepare_files(plan)))
        kubectl(plan, binaries, "delete", "namespace", NAMESPACE, "--ignore-not-found", limit=beside.GOES_SECONDS)
        shutil.rmtree(plan.state / "keda")
