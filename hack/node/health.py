"""Whether each program does its work, as seen from the host."""

from __future__ import annotations

import http.client
import re
import ssl
from typing import TYPE_CHECKING, Any

from hack.node import cluster, images
from hack.node.configuration import HEALTH_PORTS
from hack.node.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hack.node.plan import Plan
    from hack.node.programs import Binaries

ANSWER_LIMIT = 5.0
TLS_PORTS = {"kube-controller-manager": 10257, "kube-scheduler": 10259}
PATHS = {"coredns": "/ready"}


def problem(plan: Plan, binaries: Binaries, program: str) -> str:
    """What is wrong with it, or nothing."""
    checks: dict[str, Callable[[], str]] = {
        "containerd": lambda: error_of(lambda: images.ctr(plan, binaries, "images", "list", "--quiet")),
        "kube-apiserver": lambda: failed_checks(
            error_of(lambda: cluster.kubectl(plan, binaries, "get", "--raw=/readyz"))
        ),
        "kubelet": lambda: _kubelet_problem(plan, binaries),
    }
    return checks[program]() if program in checks else _http_problem(plan, program)


def error_of(attempt: Callable[[], object]) -> str:
    """What the attempt failed with, or nothing."""
    try:
        attempt()
    except NodeError as error:
        return str(error)
    return ""


def failed_checks(answer: str) -> str:
    """Of the API server's long list of checks only those that fail; anything else as it is."""
    failed = re.findall(r"\[-\](\S+)", answer)
    return f"not yet: {', '.join(failed)}" if failed else answer


def _kubelet_problem(plan: Plan, binaries: Binaries) -> str:
    """Ask it by way of the API server: the node's condition alone stays "Ready" for a while after its death."""
    path = f"/api/v1/nodes/{plan.name}/proxy/healthz"
    return error_of(lambda: cluster.kubectl(plan, binaries, "get", f"--raw={path}")) or cluster.node_problem(
        plan, binaries
    )


def _http_problem(plan: Plan, program: str) -> str:
    if program not in TLS_PORTS and program not in HEALTH_PORTS:
        return ""  # etcd: the API server is ready only with it
    connection = _connection(plan.address, program)
    try:
        connection.request("GET", PATHS.get(program, "/healthz"))
        answer = connection.getresponse()
        return "" if answer.status == 200 else f"{program}: {answer.status} {answer.read(200)!r}"
    except OSError as error:
        return f"{program}: {error}"
    finally:
        connection.close()


def _connection(address: str, program: str) -> http.client.HTTPConnection:
    if program in HEALTH_PORTS:
        return http.client.HTTPConnection(address, HEALTH_PORTS[program], timeout=ANSWER_LIMIT)
    context = ssl.create_default_context()
    # They make a certificate for themselves at each start; nothing secret is said.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(address, TLS_PORTS[program], timeout=ANSWER_LIMIT, context=context)


def stale_pods(plan: Plan, binaries: Binaries) -> str:
    """The containers that the cluster believes to run although they ended with the node's last stop, or nothing.

    Until the kubelet has looked at them all, pods count as ready that are not.
    """
    pods = cluster.get(plan, binaries, "pods", "--all-namespaces")["items"]
    tasks = images.ctr(plan, binaries, "tasks", "list")
    stale = believed_containers(pods) - running_tasks(tasks)
    return f"{len(stale)} containers are believed to run and do not" if stale else ""


def believed_containers(pods: list[dict[str, Any]]) -> set[str]:
    statuses = (
        container
        for pod in pods
        for kind in ("initContainerStatuses", "containerStatuses")
        for container in pod.get("status", {}).get(kind, ())
    )
    return {status["containerID"].partition("://")[2] for status in statuses if "running" in status.get("state", {})}


def running_tasks(table: str) -> set[str]:
    rows = (line.split() for line in table.splitlines()[1:])
    return {row[0] for row in rows if row[-1] == "RUNNING"}
