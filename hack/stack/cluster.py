"""The cluster: the embedded node, or the one that kubectl already talks to."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.addons import catalog
from hack.node import build, lifecycle
from hack.node.plan import Plan, plan_from_environment


class StackError(Exception):
    """A person must act; the message says how."""


@dataclass(frozen=True)
class Cluster:
    """Runs kubectl against one cluster."""

    kubectl: str
    kubeconfig: str | None
    """None: kubectl's own."""
    address: str | None
    """Where node ports can be reached from here; None: they cannot."""

    def run(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl and return what it printed. Raises StackError with what it said when it fails."""
        status, output, error = self.attempt(*arguments, stdin=stdin)
        if check and status:
            raise StackError(f"kubectl {' '.join(arguments)}: {error.strip() or output.strip()}")
        return output

    def attempt(self, *arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
        """Run kubectl and return its exit status, its output and what it said on standard error."""
        command, environment = [self.kubectl, *arguments], self.environment
        environment.pop("KUBECTL_EXTERNAL_DIFF", None)  # one that people like to look at is none that we can read
        done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def get(self, *arguments: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        return json.loads(self.run("get", *arguments, "-o", "json"))

    @property
    def environment(self) -> dict[str, str]:
        """For other programs that call kubectl: the same one, on the same cluster."""
        if self.kubeconfig is None:
            return dict(os.environ)
        path = f"{Path(self.kubectl).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**os.environ, "KUBECONFIG": self.kubeconfig, "PATH": path}


def embedded(plan: Plan) -> Cluster:
    return Cluster(str(build.binaries(plan.cache)["kubectl"]), str(plan.admin_kubeconfig), plan.address)


def ensure() -> Cluster:
    """The cluster to use, started when it is the embedded node."""
    if wants_current():
        cluster = connected()
        cluster.run("version", "--request-timeout=20s")
        return cluster
    plan = plan_from_environment()
    lifecycle.up(plan)
    catalog.resume(plan)
    return embedded(plan)


def connected() -> Cluster:
    """The cluster to use, as it is."""
    return Cluster("kubectl", None, None) if wants_current() else embedded(plan_from_environment())


def wants_current() -> bool:
    """Whether CLUSTER=current asks for kubectl's own context; raises StackError on any other value than `embedded`."""
    wanted = os.environ.get("CLUSTER") or "embedded"
    if wanted not in ("current", "embedded"):
        raise StackError(f"CLUSTER={wanted}: it is `embedded` (the default) or `current`")
    return wanted == "current"
