"""Who opens connections to whom, from the connection table of the embedded node.

`python3 -m tests.cluster.flows INSTANCE` watches until Ctrl-C and prints each flow once, as
base/components/network-policy/flows.yaml has it. An ended connection stays in the table for a minute or two.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from hack.lab.node import network
from hack.lab.node.plan import POD_NETWORK, plan_from_environment
from hack.lab.stack.cluster import connected
from tests.manifests.network import Flow
from tests.manifests.stack import tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.operate.cluster import Cluster

OVERLAYS_OWN = {"git-server"}
"""What overlays/dev adds to the stack."""
LINE = re.compile(r" (?P<protocol>tcp|udp) .*?src=(?P<source>\S+) .*? src=(?P<target>\S+) dst=\S+ sport=(?P<port>\d+)")
"""An entry has what was sent and what answers: behind a Service only the answer has the pod's address."""


def table() -> str:
    """Return the connection table of the node's network namespace."""
    command = [*network.inside(plan_from_environment()), "cat", "/proc/net/nf_conntrack"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def tiers_by_address(cluster: Cluster, instance: str) -> dict[str, str]:
    """Return the instance's pods; an address is given to another pod only long after its pod has ended."""
    pods = cluster.get("pods", "--all-namespaces", "--selector", f"kube-airflow/instance={instance}")["items"]
    return {each["status"]["podIP"]: tier(each) for each in pods if each["status"].get("podIP")}


def observed(entries: str, tiers: dict[str, str]) -> Iterator[Flow]:
    """Yield the flows that begin at a pod of ``tiers``."""
    for entry in LINE.finditer(entries):
        source, target = tiers.get(entry["source"]), where(entry["target"], tiers)
        if source and target and not {source, target} & OVERLAYS_OWN:
            yield Flow(source, target, int(entry["port"]), entry["protocol"].upper())


def where(address: str, tiers: dict[str, str]) -> str | None:
    """Return the tier at an address, `outside` if it is no pod's, or None for a pod that has gone."""
    gone = ipaddress.ip_address(address) in ipaddress.ip_network(POD_NETWORK)
    return tiers.get(address, None if gone else "outside")


def main() -> None:
    """Watch and print."""
    seen: set[Flow] = set()
    tiers: dict[str, str] = {}
    while True:
        tiers |= tiers_by_address(connected(), sys.argv[1])
        for flow in set(observed(table(), tiers)) - seen:
            seen.add(flow)
            protocol = "" if flow.protocol == "TCP" else f", protocol: {flow.protocol}"
            print(f"- {{from: {flow.source}, to: {flow.target}, port: {flow.port}{protocol}}}", flush=True)
        time.sleep(1)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
