"""A running instance, through kubectl: its Secrets, its pods, and which of them have read what."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

READ_ANEW = {"gitsync", "postgres", "rabbitmq"}
"""Containers that need no restart: gitsync reads at each use, the images of the servers at their first start only."""
Values = dict[str, str]


class Failure(Exception):
    """A person must do something first; the message says what."""


@dataclass(frozen=True)
class Instance:
    """What has one prefix in a namespace, through kubectl."""

    namespace: str | None
    prefix: str

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what kubectl prints. Secrets go to its standard input: arguments are seen by everybody."""
        place = ["--namespace", self.namespace] if self.namespace else []
        done = subprocess.run(["kubectl", *place, *arguments], input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"kubectl {' '.join(arguments[:3])}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        text = self.kubectl("get", *arguments, "--ignore-not-found", "--output=json")
        return json.loads(text) if text else None

    def secret(self, name: str) -> Values:
        found = self.get("secret", self.prefix + name) or {}
        return {key: base64.b64decode(value).decode() for key, value in found.get("data", {}).items()}

    def put(self, name: str, values: dict[str, str | None]) -> None:
        """Change keys of a Secret; None removes one."""
        data = {key: value and base64.b64encode(value.encode()).decode() for key, value in values.items()}
        patch = json.dumps({"data": data})
        self.kubectl("patch", "secret", self.prefix + name, "--patch-file=/dev/stdin", "--type=merge", stdin=patch)

    def has(self, kind: str, name: str) -> bool:
        return self.get(kind, self.prefix + name) is not None

    def run(self, workload: str, script: str, stdin: str = "", container: str = "airflow") -> str:
        """Run a shell script in a pod of ``workload``."""
        kind, _slash, name = workload.partition("/")
        command = ("exec", "--stdin", f"{kind}/{self.prefix}{name}", "--container", container, "--", "sh", "-c", script)
        return self.kubectl(*command, stdin=stdin)

    def workloads(self) -> Iterator[Any]:
        for item in self.get("deployments,statefulsets")["items"]:
            if item["metadata"]["name"].startswith(self.prefix):
                yield item

    def readers(self, paths: Iterable[str]) -> list[str]:
        """Workloads that must be restarted to see these keys again."""
        wanted = {(self.prefix + name, key) for name, _slash, key in (path.partition("/") for path in paths)}
        return [
            f"{item['kind'].lower()}/{item['metadata']['name']}"
            for item in self.workloads()
            if wanted & set(keys_of(item["spec"]["template"]["spec"]))
        ]


def keys_of(pod: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Secrets and keys that a pod's containers read once, at their start."""
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        if container["name"] in READ_ANEW:
            continue
        mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
        for volume in pod.get("volumes", ()):
            if volume["name"] in mounted:
                yield from keys_in(volume)
        for variable in container.get("env", ()):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield reference["name"], reference["key"]


def keys_in(volume: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    sources = [source["secret"] for source in volume.get("projected", {}).get("sources", ()) if "secret" in source]
    if "secret" in volume:
        sources.append({**volume["secret"], "name": volume["secret"]["secretName"]})
    for source in sources:
        for item in source.get("items", ()):
            yield source["name"], item["key"]
