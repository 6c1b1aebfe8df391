"""Checks from the host whether each of the node's programs works."""

from __future__ import annotations

import http.client
import re
import ssl
from typing import TYPE_CHECKING, Any

from hack.lab.node import cluster, images
from hack.lab.node.configuration import HEALTH_PORTS
from hack.lab.node.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hack.lab.node.plan import Plan
    from hack.lab.node.programs import Binaries

ANSWER_LIMIT = 5.0
TLS_PORTS = {"kube-controller-manager": 10257, "kube-scheduler": 10259}
PATHS = {"coredns": "/ready"}


def problem(plan: Plan, binaries: Binaries, program: str) -> str:
    """The program's fault; an empty text if it has none."""
    checks: dict[str, Callable[[], str]] = {
        "containerd": lambda: error_of(lambda: images.ctr(plan, binaries, "images", "list", "--quiet")),
        "kube-apiserver": lambda: failed_checks(
            error_of(lambda: cluster.kubectl(plan, binaries, "get", "--raw=/readyz"))
        ),
        "kubelet": lambda: _kubelet_problem(plan, binaries),
    }
    return checks[program]() if program in checks else _http_problem(plan, program)


def error_of(attempt: Callable[[], object]) -> str:
    """The error of an attempt; an empty text after a success."""
    try:
        attempt()
    except NodeError as error:
        return str(error)
    return ""


def failed_checks(answer: str) -> str:
    """The failing checks of the API server's long list; any other answer as it is."""
    failed = re.findall(r"\[-\](\S+)", answer)
    return f"not yet: {', '.join(failed)}" if failed else answer


def _kubelet_problem(plan: Plan, binaries: Binaries) -> str:
    """Ask the kubelet through the API server. The node's condition stays "Ready" for a while after it has ended."""
    path = f"/api/v1/nodes/{plan.name}/proxy/healthz"
    return error_of(lambda: cluster.kubectl(plan, binaries, "get", f"--raw={path}")) or cluster.node_problem(
        plan, binaries
    )


def _http_problem(plan: Plan, program: str) -> str:
    if program not in TLS_PORTS and program not in HEALTH_PORTS:
        return ""  # etcd; the check of the API server includes it
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
    # These programs sign their own certificate at each start. The request has no secret in it.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(address, TLS_PORTS[program], timeout=ANSWER_LIMIT, context=context)


def stale_pods(plan: Plan, binaries: Binaries) -> str:
    """Whether the API server still shows containers as running that ended with the node's stop: a sentence, or empty.

    Until the kubelet has checked them all, their pods count as ready by mistake.
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
