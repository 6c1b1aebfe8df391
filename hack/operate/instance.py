"""One instance of the stack on a cluster: finds its objects, applies its overlay, waits for pods, reaches Services."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hack.operate import overlay as overlays
from hack.operate.cluster import EXECUTE, in_one_line
from hack.operate.errors import Failure
from hack.operate.refusals import Refusals, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.operate.cluster import Cluster
    from hack.progress import Step

START_SECONDS = 900.0
LISTEN_SECONDS = 120.0
Values = dict[str, str]
"""The values of one Secret, by key."""


@dataclass(frozen=True)
class Instance:
    """The objects of one instance in a namespace."""

    cluster: Cluster
    namespace: str
    names: overlays.Names
    overlay: Path | None = None
    """The overlay's folder; None if it is not known."""
    images: frozenset[str] = frozenset()
    """The images of the overlay's containers."""
    has_git_server: bool = False
    """Whether the overlay has a Git server with a DAG repository."""

    @classmethod
    def of_overlay(cls, cluster: Cluster, overlay: Path) -> Instance:
        """Return the instance that an overlay builds. Raises Failure."""
        built = overlays.build(cluster, overlay)
        names = built.names
        namespace = names.namespace or cluster.namespace()
        return cls(cluster, namespace, names, overlay, frozenset(built.images), built.has("git-server"))

    @cached_property
    def name(self) -> str:
        """The value of the label kube-airflow/instance, from the overlay or the cluster. Raises Failure."""
        if self.names.label:
            return self.names.label
        found = self.find("deployment", "api-server") or {"metadata": {}}
        try:
            return str(found["metadata"]["labels"][overlays.INSTANCE])
        except KeyError:
            which = f"{self.named('deployment/api-server')} with the label {overlays.INSTANCE}"
            raise Failure(f"there is no {which} in {self.namespace}") from None

    @property
    def title(self) -> str:
        """The instance's name for people."""
        return str(overlays.shown(self.overlay)) if self.overlay else self.name

    @property
    def selector(self) -> str:
        """A label selector for all objects of the instance."""
        return f"{overlays.INSTANCE}={self.name}"

    def named(self, name: str) -> str:
        """Return the name of a base's object in this instance. ``name`` may be ``KIND/NAME``."""
        kind, slash, bare = name.rpartition("/")
        return kind + slash + self.names.of(bare)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace. Pass a Secret's values as ``stdin``, because other users can see arguments."""
        return self.cluster.run("--namespace", self.namespace, *arguments, stdin=stdin)

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def find(self, kind: str, name: str) -> Any:
        """Return an object by its name in the base, or None."""
        text = self.kubectl("get", kind, self.named(name), "--ignore-not-found", "--output=json")
        return json.loads(text) if text else None

    def values(self, name: str) -> Values | None:
        """Return the values of a Secret; None if it does not exist."""
        found = self.find("secret", name)
        if found is None:
            return None
        return {key: base64.b64decode(value).decode() for key, value in found.get("data", {}).items()}

    def secret(self, name: str, key: str) -> str:
        """Return one value of a Secret. Raises Failure without it."""
        try:
            return (self.values(name) or {})[key]
        except KeyError:
            raise Failure(f"the Secret {self.named(name)} in {self.namespace} has no key {key}") from None

    def put(self, name: str, values: dict[str, str | None]) -> None:
        """Change keys of a Secret. The value None removes a key."""
        data = {key: value and base64.b64encode(value.encode()).decode() for key, value in values.items()}
        patch = json.dumps({"data": data})
        self.kubectl("patch", "secret", self.named(name), "--patch-file=/dev/stdin", "--type=merge", stdin=patch)

    def execute(self, workload: str, script: str, stdin: str = "", container: str = "airflow") -> str:
        """Run a shell script in a pod of ``KIND/NAME`` and return what it prints."""
        command = (*EXECUTE, "--stdin", self.named(workload), "--container", container, "--", "sh", "-c", script)
        return self.kubectl(*command, stdin=stdin)

    def apply(self, registry: str = "") -> None:
        """Apply the overlay. With ``registry``, the project's own images come from that registry."""
        with self.kustomization(registry) as directory:
            self.cluster.run("apply", "--server-side", "--force-conflicts", "-k", str(directory))

    @contextmanager
    def kustomization(self, registry: str = "") -> Iterator[Path]:
        """The folder to build: the overlay, or one on top that takes the project's own images from ``registry``."""
        if self.overlay is None:
            raise Failure("to apply an instance, name its overlay with --overlay")
        if not registry:
            yield self.overlay
            return
        with tempfile.TemporaryDirectory() as directory:
            resource = self.overlay.resolve().relative_to("/")
            up = "/".join([".."] * (len(Path(directory).resolve().parts) - 1))
            own = sorted(image.partition(":")[0] for image in self.images if image.startswith(overlays.OWN_IMAGES))
            images = "".join(f"  - {{name: {name}, newName: {registry}/{name}}}\n" for name in dict.fromkeys(own))
            kustomization = Path(directory) / "kustomization.yaml"
            kustomization.write_text(f"resources: ['{up}/{resource}']\nimages:\n{images}")
            yield Path(directory)

    def restart_users_of(self, images: list[str]) -> None:
        """Replace the pods of images whose content has changed under the same name."""
        if not images:
            return
        for item in self.get("deployment,statefulset", "--selector", self.selector)["items"]:
            pod = item["spec"]["template"]["spec"]
            used = {container["image"] for container in (*pod.get("initContainers", ()), *pod["containers"])}
            if used.intersection(images):
                self.kubectl("rollout", "restart", f"{item['kind'].lower()}/{item['metadata']['name']}")

    def wait_until_ready(self, step: Step, *, only: str = "") -> None:
        """Wait until every pod, or every one with ``only`` in its name, is ready. Raises Failure with the causes."""
        deadline = time.monotonic() + START_SECONDS
        refusals = Refusals(self.refused)
        while waiting := self.not_ready(only):
            if lasting := refusals.lasting():
                raise Failure("Kubernetes makes no pod for " + "\n".join(lasting))
            if time.monotonic() > deadline:
                raise Failure(f"not ready after {START_SECONDS:.0f} s: {', '.join(waiting)}\n{self.findings()}")
            step.tick(f"waiting for {', '.join(waiting)}" + "".join(f"; {why}" for why in refusals.said()))
            time.sleep(0.5)

    def refused(self) -> dict[str, str]:
        """The reasons why Kubernetes makes no pod, by workload."""
        events = self.get("events", "--field-selector", "reason=FailedCreate")["items"]
        workloads = self.get("deployment,statefulset", "--selector", self.selector)["items"]
        found = {workload["metadata"]["name"]: refusal(workload, events) for workload in workloads}
        return {name: why for name, why in found.items() if why}

    def not_ready(self, only: str = "") -> list[str]:
        """Workloads that lack ready pods of their newest template."""
        waiting = []
        for item in self.get("deployment,statefulset", "--selector", self.selector)["items"]:
            name, status, wanted = item["metadata"]["name"], item["status"], item["spec"]["replicas"]
            seen = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
            counts = (status.get("updatedReplicas", 0), status.get("readyReplicas", 0), status.get("replicas", 0))
            if only in name and not (seen and counts == (wanted, wanted, wanted)):
                waiting.append(f"{name} ({status.get('readyReplicas', 0)}/{wanted})")
        return waiting

    def findings(self) -> str:
        """Facts for finding the cause: pods, Events, and the last log lines of pods that are not ready."""
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
        """The address, as ``http://host:port``, at which ``service`` answers on this machine."""
        if url := self.url(service, port):
            wait_until_it_listens(url)
            yield url
            return
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            local = probe.getsockname()[1]
        with self.forwarded(service, port, local):
            yield f"http://127.0.0.1:{local}"

    @contextmanager
    def forwarded(self, service: str, port: int, local: int) -> Iterator[subprocess.Popen[str]]:
        """Forward ``service`` to the local port ``local``. Yields the forwarding process. Raises Failure."""
        target = self.named(f"service/{service}")
        command = [self.cluster.kubectl, "--namespace", self.namespace, "port-forward", "--pod-running-timeout=10s"]
        command += [target, f"{local}:{port}"]
        with subprocess.Popen(
            command, env=self.cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as forward:
            try:
                # kubectl prints its first line when it listens.
                if forward.stdout is None or not forward.stdout.readline():
                    raise Failure(f"cannot reach {target}: {in_one_line(forward.communicate()[1])}")
                yield forward
            finally:
                forward.terminate()

    def url(self, service: str, port: int) -> str | None:
        """The address of the Service's node port; None if it has none, or if the node cannot be reached."""
        if self.cluster.address is None:
            return None
        for found in self.get("service", self.named(service))["spec"]["ports"]:
            if found["port"] == port and "nodePort" in found:
                return f"http://{self.cluster.address}:{found['nodePort']}"
        return None


def wait_until_it_listens(url: str) -> None:
    """Wait until a node port answers. kube-proxy opens it some moments after the pod is ready. Raises Failure."""
    parts = urlsplit(url)
    deadline = time.monotonic() + LISTEN_SECONDS
    while True:
        try:
            socket.create_connection((parts.hostname, parts.port), timeout=5).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise Failure(f"{url} does not answer after {LISTEN_SECONDS:.0f} s: {error}") from error
            time.sleep(0.2)
        else:
            return
