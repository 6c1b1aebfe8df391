"""Names, addresses and paths of one node. Pure: nothing here looks at the machine."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hack.lab.node.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_NAME = "kube-airflow"
RESERVED_NETWORKS = {"kube-airflow": 77, "kube-airflow-test": 78}
OTHER_NETWORKS = range(79, 100)

# `clean` removes /var/lib/<name> and /run/<name>: the fixed start keeps it away from other programs' folders.
_NAME = re.compile(r"kube-airflow(-[a-z0-9]+)*")
_LONGEST_NAME = 40

POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"
NODE_LINK = "uplink"
API_PORT = 6443


@dataclass(frozen=True)
class Plan:
    """The names, addresses and paths that follow from a node's name."""

    name: str
    cache: Path

    @property
    def network_number(self) -> int:
        if self.name in RESERVED_NETWORKS:
            return RESERVED_NETWORKS[self.name]
        return OTHER_NETWORKS[int(self.digest, 16) % len(OTHER_NETWORKS)]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()[:8]

    @property
    def network(self) -> str:
        return f"10.{self.network_number}.0.0/24"

    @property
    def address(self) -> str:
        """The node's own address, reachable from the host."""
        return f"10.{self.network_number}.0.1"

    @property
    def host_address(self) -> str:
        return f"10.{self.network_number}.0.2"

    @property
    def host_link(self) -> str:
        """The host's end of the link. The kernel allows 15 characters, so it has a hash of the node's name."""
        return f"ka-{self.digest}"

    @property
    def namespace_file(self) -> Path:
        return Path("/run/netns") / self.name

    @property
    def server(self) -> str:
        return f"https://{self.address}:{API_PORT}"

    @property
    def state(self) -> Path:
        """The folder of everything that outlives a stop: etcd, volumes, images, certificates, logs."""
        return Path("/var/lib") / self.name

    @property
    def run(self) -> Path:
        """The folder of everything that ends with a reboot: sockets, containers' mounts."""
        return Path("/run") / self.name

    @property
    def cgroup(self) -> str:
        return f"/{self.name}"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def configuration(self) -> Path:
        return self.state / "configuration"

    @property
    def volumes(self) -> Path:
        return self.state / "volumes"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.state / "admin.kubeconfig"

    def kubeconfig(self, who: str) -> Path:
        return self.configuration / f"{who}.kubeconfig"

    def log(self, program: str) -> Path:
        return self.logs / f"{program}.log"


def cache_folder(environment: Mapping[str, str]) -> Path:
    chosen = environment.get("KUBE_AIRFLOW_CACHE")
    return Path(chosen).absolute() if chosen else Path.home() / ".cache" / "kube-airflow"


def plan_of(name: str, cache: Path) -> Plan:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise NodeError(
            f"KUBE_AIRFLOW_NODE={name!r} is no name for a node: it starts with 'kube-airflow', goes on with "
            f"'-' and lower-case letters or digits, and has at most {_LONGEST_NAME} characters"
        )
    return Plan(name, cache)


def plan_from_environment() -> Plan:
    return plan_of(os.environ.get("KUBE_AIRFLOW_NODE") or DEFAULT_NAME, cache_folder(os.environ))
