"""Runs kubectl. All verbs use this module."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hack.operate.errors import Failure

CHOOSE = "`make up` starts a cluster on this machine; KUBECONFIG, or `kubectl config use-context`, names another"
ANSWER_SECONDS = 20
EXECUTE = ("exec", "--pod-running-timeout=10s")
"""kubectl's command; its own patience with pods that do not run is a minute."""
CURES = {
    r"namespaces .* not found": "`hack/kube-airflow apply --overlay NAME` makes the namespace",
    r"timed out waiting for the condition\s*$": "none of its pods runs: `kubectl describe pods` says why",
}
"""Patterns of kubectl's errors, and the cure for each."""
_LOG_LINE = re.compile(r"[EIW]\d{4} \d\d:")
"""Log lines of kubectl's library beside the error, such as ``E1130 20:30:51.647376``."""


@dataclass(frozen=True)
class Cluster:
    """Runs kubectl against one cluster."""

    kubectl: str = "kubectl"
    kubeconfig: str | None = None
    """The kubeconfig file; None: kubectl's default."""
    address: str | None = None
    """The address of node ports; None: they cannot be reached from this machine."""

    def run(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl, and return its output. Raises Failure with kubectl's error."""
        status, output, error = self.attempt(*arguments, stdin=stdin)
        if check and status:
            raise Failure(f"{_called(arguments)}: {in_one_line(error or output)}")
        return output

    def attempt(self, *arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
        """Run kubectl, and return its exit status, standard output and standard error."""
        environment = self.environment
        environment.pop("KUBECTL_EXTERNAL_DIFF", None)  # the output of a diff program for people cannot be parsed
        try:
            done = subprocess.run(
                [self.kubectl, *arguments],
                env=environment,
                input=stdin or "",  # never the terminal: its output is captured, so a question would not be seen
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise _no_kubectl(self.kubectl) from error
        return done.returncode, done.stdout, done.stderr

    def stream(self, *arguments: str, stdin: IO[bytes] | int, stdout: IO[bytes] | int) -> None:
        """Run kubectl with two files as its input and output. Raises Failure with kubectl's error."""
        command = [self.kubectl, *arguments]
        try:
            done = subprocess.run(
                command, env=self.environment, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, check=False
            )
        except FileNotFoundError as error:
            raise _no_kubectl(self.kubectl) from error
        if done.returncode:
            raise Failure(f"{_called(arguments)}: {in_one_line(done.stderr.decode(errors='replace'))}")

    def get(self, *arguments: str) -> Any:
        """Return objects as JSON. Raises Failure if a named object does not exist."""
        return json.loads(self.run("get", *arguments, "--output=json"))

    def must_answer(self) -> None:
        """Raise Failure unless the cluster answers. Other commands of kubectl would say so in many lines."""
        status, _output, error = self.attempt("get", "--raw=/version", f"--request-timeout={ANSWER_SECONDS}s")
        if status:
            raise Failure(f"no cluster answers kubectl ({in_one_line(error)}): {CHOOSE}")

    def namespace(self) -> str:
        """Return the namespace of kubectl's context."""
        return self.run("config", "view", "--minify", "--output=jsonpath={..namespace}", check=False) or "default"

    @property
    def environment(self) -> dict[str, str]:
        """An environment in which other programs find the same kubectl and the same cluster."""
        if self.kubeconfig is None:
            return dict(os.environ)
        path = f"{Path(self.kubectl).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**os.environ, "KUBECONFIG": self.kubeconfig, "PATH": path}


def in_one_line(error: str) -> str:
    """Return kubectl's error in one line, without its library's log lines, and with the cure where that is known."""
    lines = [line.strip() for line in error.splitlines() if not _LOG_LINE.match(line)]
    return "; ".join(filter(None, [*lines, _cure(error)]))


def _called(arguments: tuple[str, ...]) -> str:
    """The command line of kubectl, without the program that it runs in a pod."""
    asked = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return f"kubectl {' '.join(asked)}"


def _cure(error: str) -> str:
    return next((cure for pattern, cure in CURES.items() if re.search(pattern, error)), "")


def _no_kubectl(program: str) -> Failure:
    return Failure(f"there is no {program}: install kubectl 1.27 or newer; `make` brings one for its own node")
