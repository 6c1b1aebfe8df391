"""Starts Kubernetes' API server and etcd without a node: objects are really accepted or refused, but no pod runs."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hack.lab.node import build
from hack.lab.node.plan import cache_folder
from tests.ports import free_port
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULES = tuple(module for module in build.MODULES if module.name in ("etcd", "kubernetes"))
TOKEN = "administrator"
"""Of the only user, who may do everything."""


@dataclass(frozen=True)
class Api:
    """A running API server."""

    kubectl: str
    kubeconfig: Path
    taken: set[str] = field(default_factory=set)
    """Objects in YAML that the server would have made."""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run kubectl, of the same version."""
        command = [self.kubectl, f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def done(self, *arguments: str) -> str:
        """Run kubectl, which must succeed, and return its output."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def refusals(self, build: str) -> list[str]:
        """Return what the server says against the objects of a build, in YAML, without keeping one of them.

        An object that it has taken before, in another build, is not asked about again.
        """
        new = [each for each in build.split("\n---\n") if each not in self.taken]
        if not new:
            return []
        command = [self.kubectl, f"--kubeconfig={self.kubeconfig}", "create", "--dry-run=server", "--filename=-"]
        done = subprocess.run(command, input="\n---\n".join(new), capture_output=True, text=True, check=False)
        if not (done.returncode or done.stderr):
            self.taken.update(new)
        return done.stderr.splitlines()

    def get(self, *arguments: str) -> Any:
        """Return what kubectl finds, as data."""
        return json.loads(self.done("get", *arguments, "--output=json"))


@contextmanager
def serving(directory: Path) -> Iterator[Api]:
    """Start both in ``directory``, which is empty; what was built for the embedded node is used, or built now."""
    cache = cache_folder(os.environ)
    build.build_modules(cache, MODULES)
    programs = build.binaries(cache)
    clients, port = f"http://127.0.0.1:{free_port()}", free_port()
    api = Api(programs["kubectl"], directory / "kubeconfig")
    api.kubeconfig.write_text(kubeconfig(port))
    commands = [
        etcd(programs["etcd"], directory, clients),
        apiserver(programs["kube-apiserver"], directory, clients, port),
    ]
    with (directory / "log").open("w") as log:
        running = [subprocess.Popen(each, stdout=log, stderr=log) for each in commands]
        try:
            eventually(lambda: ready(api, running), "the API server is ready", (directory / "log").read_text)
            yield api
        finally:
            for each in reversed(running):
                each.terminate()
                each.wait()


def ready(api: Api, running: list[subprocess.Popen[bytes]]) -> bool:
    """Return whether the server answers; both must run."""
    assert [each.poll() for each in running] == [None, None], "one has ended"
    return api.run("get", "--raw=/readyz").returncode == 0


def etcd(program: str, directory: Path, clients: str) -> list[str]:
    """Return the command of a store that need not survive a crash."""
    peers = f"http://127.0.0.1:{free_port()}"
    return [
        *(program, f"--data-dir={directory / 'etcd'}", "--unsafe-no-fsync"),
        *(f"--listen-client-urls={clients}", f"--advertise-client-urls={clients}"),
        *(
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
        ),
    ]


def apiserver(program: str, directory: Path, clients: str, port: int) -> list[str]:
    """Return the command of a server for one user, which makes its own certificate."""
    key, public, tokens = directory / "sa.key", directory / "sa.pub", directory / "tokens.csv"
    make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", str(key)]
    subprocess.run(make, check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(public)], check=True)
    tokens.write_text(f"{TOKEN},administrator,1,system:masters\n")
    return [
        *(program, f"--etcd-servers={clients}", "--bind-address=127.0.0.1", f"--secure-port={port}"),
        *(f"--cert-dir={directory / 'certificates'}", f"--token-auth-file={tokens}", "--authorization-mode=RBAC"),
        *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={public}"),
        *(f"--service-account-signing-key-file={key}", "--service-cluster-ip-range=10.0.0.0/24"),
        "--endpoint-reconciler-type=none",
    ]


def kubeconfig(port: int) -> str:
    """Return what kubectl needs to get there; the certificate is not there yet, and nobody else is at the address."""
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "api", "cluster": cluster}],
        "users": [{"name": "administrator", "user": {"token": TOKEN}}],
        "contexts": [{"name": "api", "context": {"cluster": "api", "user": "administrator"}}],
        "current-context": "api",
    }
    return json.dumps(content)
