"""The command lines of the node's programs. Pure: text from the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hack.lab.node import plan as names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hack.lab.node.plan import Plan


@dataclass(frozen=True)
class Program:
    """A command, and the files that it reads once at its start."""

    name: str
    command: tuple[str, ...]
    inputs: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Binaries:
    """The folders of the built programs, by module."""

    folders: Mapping[str, Path]

    def __getitem__(self, program: str) -> str:
        module = {"etcd": "etcd", "coredns": "coredns", "containerd": "containerd", "ctr": "containerd"}
        return str(self.folders[module.get(program, "kubernetes")] / program)

    @property
    def path(self) -> str:
        return ":".join(str(folder) for folder in self.folders.values())

    @property
    def cni(self) -> Path:
        return self.folders["cni"]


def programs(plan: Plan, binaries: Binaries) -> list[Program]:
    """All programs, in the order of their start. They stop in the opposite order."""
    return [
        _etcd(plan, binaries),
        _containerd(plan, binaries),
        _apiserver(plan, binaries),
        _controller_manager(plan, binaries),
        _scheduler(plan, binaries),
        _kube_proxy(plan, binaries),
        _coredns(plan, binaries),
        _kubelet(plan, binaries),
    ]


PROGRAMS = (
    "etcd",
    "containerd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "coredns",
    "kubelet",
)


def _etcd(plan: Plan, binaries: Binaries) -> Program:
    # No TLS: only the node's own programs reach the loopback address of its network namespace.
    clients, peers = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return Program(
        "etcd",
        (
            binaries["etcd"],
            f"--name={plan.name}",
            f"--data-dir={plan.state / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster={plan.name}={peers}",
            "--auto-compaction-retention=1h",
        ),
    )


def _containerd(plan: Plan, binaries: Binaries) -> Program:
    configuration = plan.configuration / "containerd.toml"
    return Program("containerd", (binaries["containerd"], f"--config={configuration}"), (configuration,))


def _apiserver(plan: Plan, binaries: Binaries) -> Program:
    pki = plan.pki
    files = {
        "client-ca-file": "ca.crt",
        "tls-cert-file": "apiserver.crt",
        "tls-private-key-file": "apiserver.key",
        "service-account-key-file": "service-account.pub",
        "service-account-signing-key-file": "service-account.key",
        "kubelet-certificate-authority": "ca.crt",
        "kubelet-client-certificate": "apiserver-kubelet-client.crt",
        "kubelet-client-key": "apiserver-kubelet-client.key",
        "requestheader-client-ca-file": "ca.crt",
        "proxy-client-cert-file": "front-proxy.crt",
        "proxy-client-key-file": "front-proxy.key",
    }
    arguments = [
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={plan.address}",
        f"--secure-port={names.API_PORT}",
        f"--service-cluster-ip-range={names.SERVICE_NETWORK}",
        f"--service-account-issuer=https://kubernetes.default.svc.{names.CLUSTER_DOMAIN}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        # By address, because no name server knows the node's name.
        "--kubelet-preferred-address-types=InternalIP",
        # One authority signs all certificates, so only this name may act for other users.
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    ]
    arguments += [f"--{option}={pki / file}" for option, file in files.items()]
    inputs = tuple(pki / file for file in sorted(set(files.values())))
    return Program("kube-apiserver", (binaries["kube-apiserver"], *arguments), inputs)


def _controller_manager(plan: Plan, binaries: Binaries) -> Program:
    kubeconfig, pki = plan.kubeconfig("controller-manager"), plan.pki
    return Program(
        "kube-controller-manager",
        (
            binaries["kube-controller-manager"],
            f"--kubeconfig={kubeconfig}",
            f"--bind-address={plan.address}",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--service-account-private-key-file={pki / 'service-account.key'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}",
            f"--cluster-signing-key-file={pki / 'ca.key'}",
            "--use-service-account-credentials",
            "--allocate-node-cidrs=false",
            "--leader-elect=false",
        ),
        (kubeconfig, pki / "ca.crt", pki / "service-account.key"),
    )


def _scheduler(plan: Plan, binaries: Binaries) -> Program:
    kubeconfig = plan.kubeconfig("scheduler")
    command = (
        binaries["kube-scheduler"],
        f"--kubeconfig={kubeconfig}",
        f"--bind-address={plan.address}",
        "--leader-elect=false",
    )
    return Program("kube-scheduler", command, (kubeconfig,))


def _kube_proxy(plan: Plan, binaries: Binaries) -> Program:
    configuration = plan.configuration / "proxy.json"
    command = (binaries["kube-proxy"], f"--config={configuration}")
    return Program("kube-proxy", command, (configuration, plan.kubeconfig("proxy")))


def _coredns(plan: Plan, binaries: Binaries) -> Program:
    configuration = plan.configuration / "Corefile"
    return Program(
        "coredns", (binaries["coredns"], "-conf", str(configuration)), (configuration, plan.kubeconfig("coredns"))
    )


def _kubelet(plan: Plan, binaries: Binaries) -> Program:
    configuration, kubeconfig = plan.configuration / "kubelet.json", plan.kubeconfig("kubelet")
    command = (
        binaries["kubelet"],
        f"--config={configuration}",
        f"--kubeconfig={kubeconfig}",
        f"--root-dir={plan.state / 'kubelet'}",
        f"--cert-dir={plan.pki}",
        f"--hostname-override={plan.name}",
        f"--node-ip={plan.address}",
    )
    inputs = (configuration, kubeconfig, *(plan.pki / file for file in ("ca.crt", "kubelet.crt", "kubelet.key")))
    return Program("kubelet", command, inputs)
