"""Makes the configuration files of the node's programs. Pure: text from the plan and two facts about the machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hack.lab.node import plan as names

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.plan import Plan

HEALTH_PORTS = {"coredns": 8181, "kube-proxy": 10256}


@dataclass(frozen=True)
class Machine:
    """Facts about the machine that change the configuration."""

    unified_cgroups: bool
    """Whether the machine has control groups of version 2."""
    sys_resource: bool
    """Whether processes may raise limits and lower out-of-memory scores."""


def files(plan: Plan, machine: Machine, cni: Path, pause_image: str) -> dict[Path, str]:
    """The text of every file without keys, by its path."""
    return {
        plan.configuration / "containerd.toml": containerd(plan, machine, cni, pause_image),
        plan.configuration / "cni" / "pods.conflist": json.dumps(pod_network(plan), indent=1),
        plan.configuration / "kubelet.json": json.dumps(kubelet(plan, machine), indent=1),
        plan.configuration / "proxy.json": json.dumps(kube_proxy(plan), indent=1),
        plan.configuration / "Corefile": corefile(plan),
        # Pods ask CoreDNS. There is no other name server: the node has no way out of the machine.
        plan.configuration / "resolv.conf": "nameserver 127.0.0.1\n",
    }


def containerd(plan: Plan, machine: Machine, cni: Path, pause_image: str) -> str:
    return f"""\
version = 3
root = "{plan.state / "containerd"}"
state = "{plan.run / "containerd"}"

[grpc]
  address = "{plan.containerd_socket}"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{pause_image}"

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = {str(not machine.sys_resource).lower()}
  disable_apparmor = true
  netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["{cni}"]
  conf_dir = "{plan.configuration / "cni"}"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def pod_network(plan: Plan) -> dict[str, Any]:
    """Point-to-point links, because they need no br_netfilter: all packets are routed, so Services work."""
    addresses = {
        "type": "host-local",
        "dataDir": str(plan.state / "addresses"),
        "ranges": [[{"subnet": names.POD_NETWORK}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    link = {"type": "ptp", "ipMasq": False, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}, "backend": "nftables"}
    return {"cniVersion": "1.0.0", "name": plan.name, "plugins": [link, ports]}


def kubelet(plan: Plan, machine: Machine) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(plan.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(plan.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(plan.pki / "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{plan.containerd_socket}",
        "podLogsDir": str(plan.logs / "pods"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": plan.cgroup,
        "clusterDNS": [names.DNS_SERVICE],
        "clusterDomain": names.CLUSTER_DOMAIN,
        "resolvConf": str(plan.configuration / "resolv.conf"),
        "maxPods": 200,
        "failSwapOn": False,
        # A developer's disk is often nearly full. Only a real shortage may evict pods or remove images.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
    }
    if not machine.unified_cgroups:
        settings["failCgroupV1"] = False
    if not machine.sys_resource:
        settings["featureGates"] = {"KubeletInUserNamespace": True}
    return settings


def kube_proxy(plan: Plan) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(plan.kubeconfig("proxy"))},
        "mode": "nftables",
        "clusterCIDR": names.POD_NETWORK,
        "hostnameOverride": plan.name,
        "healthzBindAddress": f"{plan.address}:{HEALTH_PORTS['kube-proxy']}",
        "metricsBindAddress": "127.0.0.1:10249",
        # Zero leaves the settings of the connection table as they are, because the table is the whole machine's.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def corefile(plan: Plan) -> str:
    return f"""\
.:53 {{
  bind {plan.address}
  errors
  ready {plan.address}:{HEALTH_PORTS["coredns"]}
  kubernetes {names.CLUSTER_DOMAIN} in-addr.arpa {{
    kubeconfig {plan.kubeconfig("coredns")}
    pods insecure
  }}
  cache 5
}}
"""
