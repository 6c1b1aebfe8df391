"""The node's network namespace and its link to the host. It has no default route, so no packet leaves the machine."""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any

from hack.lab.node import plan as names
from hack.lab.node.commands import run, succeeds
from hack.lab.node.errors import NodeError

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.plan import Plan


def prepare(plan: Plan) -> bool:
    """Make the namespace and the link if they are missing or broken. Gives whether they were."""
    whole = _is_whole(plan)
    if not whole:
        _make(plan)
    # With this route the node's own programs can reach Services, because kube-proxy then translates the address.
    run("ip", "-n", plan.name, "route", "replace", names.SERVICE_NETWORK, "dev", names.NODE_LINK)
    return not whole


def _make(plan: Plan) -> None:
    _refuse_used_addresses(plan)
    remove(plan)
    run("ip", "netns", "add", plan.name)
    run("ip", "link", "add", plan.host_link, "type", "veth", "peer", "name", names.NODE_LINK, "netns", plan.name)
    run("ip", "address", "add", f"{plan.host_address}/24", "dev", plan.host_link)
    run("ip", "link", "set", plan.host_link, "up")
    run("ip", "-n", plan.name, "address", "add", f"{plan.address}/24", "dev", names.NODE_LINK)
    run("ip", "-n", plan.name, "link", "set", "lo", "up")
    run("ip", "-n", plan.name, "link", "set", names.NODE_LINK, "up")
    run(*inside(plan), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    run(*inside(plan), "nft", "-f", "-", text=rules())


def remove(plan: Plan) -> None:
    """Remove the link and the namespace, as far as they exist."""
    if succeeds("ip", "link", "show", "dev", plan.host_link):
        run("ip", "link", "delete", plan.host_link)
    if is_namespace(plan.namespace_file):
        run("ip", "netns", "delete", plan.name)
    # If /run is on a disk, a reboot leaves the empty file.
    plan.namespace_file.unlink(missing_ok=True)


def inside(plan: Plan) -> tuple[str, ...]:
    """The start of a command line that runs in the namespace.

    It is not `ip netns exec`, which mounts /sys anew; the kubelet would find no control groups then.
    """
    return ("nsenter", f"--net={plan.namespace_file}")


def rules() -> str:
    """Packet filter rules: replies may go from the node to the host, but new connections may not.

    The host has no route to a pod's address, so its answer would go to the host's own default route.
    """
    return f"""\
table inet node {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    oifname "{names.NODE_LINK}" ct state new reject
  }}
}}
"""


def is_namespace(path: Path) -> bool:
    return succeeds("nsenter", f"--net={path}", "true")


def overlapping(routes: list[dict[str, Any]], network: str, own_link: str) -> list[str]:
    """The host's routes over other links that overlap with the node's addresses. The default route does not count."""
    wanted = ipaddress.ip_network(network)
    found = []
    for route in routes:
        if route["dst"] == "default" or route.get("dev") == own_link:
            continue
        if ipaddress.ip_network(route["dst"], strict=False).overlaps(wanted):
            found.append(f"{route['dst']} on {route.get('dev', 'no link')}")
    return found


def _refuse_used_addresses(plan: Plan) -> None:
    routes = json.loads(run("ip", "-4", "-json", "route", "show") or "[]")
    if used := overlapping(routes, plan.network, plan.host_link):
        raise NodeError(
            f"the node {plan.name} needs the addresses {plan.network}, but the machine uses {', '.join(used)}; "
            f"give the node another name, which gives it other addresses: KUBE_AIRFLOW_NODE={plan.name}-2"
        )


def _is_whole(plan: Plan) -> bool:
    return (
        is_namespace(plan.namespace_file)
        and _has_address(("ip",), plan.host_link, plan.host_address)
        and _has_address(("ip", "-n", plan.name), names.NODE_LINK, plan.address)
        and succeeds(*inside(plan), "nft", "list", "table", "inet", "node")
    )


def _has_address(ip: tuple[str, ...], link: str, address: str) -> bool:
    if not succeeds(*ip, "link", "show", "dev", link):
        return False
    shown = json.loads(run(*ip, "-4", "-json", "address", "show", "dev", link, "up") or "[]")
    return any(info.get("local") == address for entry in shown for info in entry.get("addr_info", ()))
