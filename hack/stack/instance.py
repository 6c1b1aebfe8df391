"""One instance of the stack on a cluster: applied, waited for, and reached."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import hack
from hack.images.catalog import IMAGES
from hack.stack.cluster import Cluster, StackError
from hack.stack.refusals import Refusals, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.progress import Step

CHECKOUT = Path(hack.__file__).resolve().parents[1]
START_SECONDS = 900.0
LISTEN_SECONDS = 120.0


@dataclass(frozen=True)
class Instance:
    """An overlay in a namespace; ``name`` is its instance label, and its prefix without the dash."""

    cluster: Cluster
    overlay: Path
    namespace: str = "airflow"

    @property
    def name(self) -> str:
        return self.overlay.name

    @property
    def has_git_server(self) -> bool:
        """Whether the overlay brings a DAG repository of its own."""
        return (self.overlay / "git-server").is_dir()

    @property
    def selector(self) -> str:
        return f"kube-airflow/instance={self.name}"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.run("--namespace", self.namespace, *arguments, stdin=stdin)

    def get(self, *arguments: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        return self.cluster.get("--namespace", self.namespace, *arguments)

    def secret(self, name: str, key: str) -> str:
        template = f'go-template={{{{index .data "{key}" | base64decode}}}}'
        return self.kubectl("get", "secret", f"{self.name}-{name}", "-o", template)

    def make_secrets(self, *options: str) -> str:
        program = [sys.executable, str(CHECKOUT / "hack" / "secrets")]
        command = [*program, "--namespace", self.namespace, "--prefix", f"{self.name}-", *options]
        result = subprocess.run(command, env=self.cluster.environment, capture_output=True, text=True, check=False)
        if result.returncode:
            raise StackError(result.stderr.strip())
        return result.stdout

    def apply(self, registry: str = "") -> None:
        """Apply the overlay; with ``registry`` the project's own images come from there."""
        with self.kustomization(registry) as directory:
            self.cluster.run("apply", "--server-side", "--force-conflicts", "-k", str(directory))

    @contextmanager
    def kustomization(self, registry: str = "") -> Iterator[Path]:
        """What to build: the overlay, or one over it that takes the project's own images from ``registry``."""
        if not registry:
            yield self.overlay
            return
        with tempfile.TemporaryDirectory() as directory:
            resource = Path(self.overlay).resolve().relative_to("/")
            up = "/".join([".."] * (len(Path(directory).resolve().parts) - 1))
            images = "".join(
                f"  - {{name: {image.repository}, newName: {registry}/{image.repository}}}\n"
                for image in IMAGES
                if not image.official
            )
            kustomization = Path(directory) / "kustomization.yaml"
            kustomization.write_text(f"resources: ['{up}/{resource}']\nimages:\n{images}")
            yield Path(directory)

    def restart_users_of(self, images: list[str]) -> None:
        """Replace the pods that were started from an image whose name now stands for another one."""
        if not images:
            return
        kinds = ("deployment", "statefulset")
        for kind in kinds:
            for item in self.get(kind, "--selector", self.selector)["items"]:
                pod = item["spec"]["template"]["spec"]
                used = {container["image"] for container in (*pod.get("initContainers", ()), *pod["containers"])}
                if used.intersection(images):
                    self.kubectl("rollout", "restart", f"{kind}/{item['metadata']['name']}")

    def wait_until_ready(self, step: Step, *, only: str = "") -> None:
        """Wait until every pod (or those whose name contains ``only``) is ready; on failure say what is wrong."""
        deadline = time.monotonic() + START_SECONDS
        refusals = Refusals(self.refused)
        while waiting := self.not_ready(only):
            if lasting := refusals.lasting():
                raise StackError("Kubernetes makes no pod for " + "\n".join(lasting))
            if time.monotonic() > deadline:
                raise StackError(f"not ready after {START_SECONDS:.0f} s: {', '.join(waiting)}\n{self.findings()}")
            step.tick(f"waiting for {', '.join(waiting)}" + "".join(f"; {why}" for why in refusals.said()))
            time.sleep(0.5)

    def refused(self) -> dict[str, str]:
        """Why Kubernetes makes no pod, by the workloads that want one."""
        events = self.get("events", "--field-selector", "reason=FailedCreate")["items"]
        workloads = self.get("deployment,statefulset", "--selector", self.selector)["items"]
        found = {workload["metadata"]["name"]: refusal(workload, events) for workload in workloads}
        return {name: why for name, why in found.items() if why}

    def not_ready(self, only: str = "") -> list[str]:
        """Workloads that have not all the pods they want, each of the newest template and ready."""
        waiting = []
        for item in self.get("deployment,statefulset", "--selector", self.selector)["items"]:
            name, status, wanted = item["metadata"]["name"], item["status"], item["spec"]["replicas"]
            seen = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
            counts = (status.get("updatedReplicas", 0), status.get("readyReplicas", 0), status.get("replicas", 0))
            if only in name and not (seen and counts == (wanted, wanted, wanted)):
                waiting.append(f"{name} ({status.get('readyReplicas', 0)}/{wanted})")
        return waiting

    def findings(self) -> str:
        """What the next reader needs to see: pods, Events, and the last lines of what is not ready."""
        parts = [self.kubectl("get", "pods", "-o", "wide"), self.kubectl("get", "events", "--sort-by=.lastTimestamp")]
        for pod in self.get("pods", "--selector", self.selector)["items"]:
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
            if not ready:
                name = pod["metadata"]["name"]
                logs = ("logs", "--namespace", self.namespace, name, "--all-containers", "--prefix", "--tail=15")
                parts.append(f"--- {name}\n{self.cluster.run(*logs, check=False)}")
        return "\n".join(parts)

    @contextmanager
    def reach(self, service: str, port: int) -> Iterator[str]:
        """``http://host:port`` at which ``service`` answers from here."""
        if url := self.url(service, port):
            wait_until_it_listens(url)
            yield url
            return
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            local = probe.getsockname()[1]
        target = f"service/{self.name}-{service}"
        command = [self.cluster.kubectl, "--namespace", self.namespace, "port-forward", target, f"{local}:{port}"]
        with subprocess.Popen(command, env=self.cluster.environment, stdout=subprocess.PIPE, text=True) as forward:
            try:
                if forward.stdout is None or not forward.stdout.readline():
                    raise StackError(f"cannot reach {target}: kubectl port-forward ended")
                yield f"http://127.0.0.1:{local}"
            finally:
                forward.terminate()

    def url(self, service: str, port: int) -> str | None:
        """The node port's address, where there is one and the node can be reached."""
        if self.cluster.address is None:
            return None
        for found in self.get("service", f"{self.name}-{service}")["spec"]["ports"]:
            if found["port"] == port and "nodePort" in found:
                return f"http://{self.cluster.address}:{found['nodePort']}"
        return None


def wait_until_it_listens(url: str) -> None:
    """A node port answers some moments after its pod is ready: kube-proxy has to hear of it."""
    parts = urlsplit(url)
    deadline = time.monotonic() + LISTEN_SECONDS
    while True:
        try:
            socket.create_connection((parts.hostname, parts.port), timeout=5).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise StackError(f"{url} does not answer after {LISTEN_SECONDS:.0f} s: {error}") from error
            time.sleep(0.2)
        else:
            return
