"""Reads custom resource definitions of other projects from their Go modules into the cache, once for each version."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hack.lab.addons import modules
from hack.lab.node import toolchain
from hack.lab.node.errors import NodeError
from hack.progress import step

if TYPE_CHECKING:
    from hack.lab.node.build import Module

DOWNLOAD_LIMIT = 600.0


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # the fast loader, if PyYAML has it
    """Accepts a lone `=` as text. In YAML 1.1 it has another meaning, which nobody uses."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda _loader, node: node.value)


@dataclass(frozen=True)
class Source:
    """A Go module with definitions in a folder. The checksum is that of a go.sum."""

    module: str
    version: str
    checksum: str
    folder: str
    groups: tuple[str, ...]

    @property
    def name(self) -> str:
        """The last part of the module's path that is not a version."""
        return re.sub(r"/v\d+$", "", self.module).rpartition("/")[2]

    @property
    def key(self) -> str:
        digest = self.checksum.removeprefix("h1:")[:8].replace("/", "-").replace("+", "-")
        return f"{self.module.replace('/', '-')}-{self.version}-{digest}"


def built(module: Module, folder: str, group: str) -> Source:
    """The source of a program that is also built here, with the version of the build."""
    return Source(module.main, module.version, module.checksum, folder, (group,))


SOURCES = (
    built(modules.PROMETHEUS_OPERATOR, "example/prometheus-operator-crd", "monitoring.coreos.com"),
    built(modules.ARGOCD, "manifests/crds", "argoproj.io"),
    built(modules.SOURCE_CONTROLLER, "config/crd/bases", "source.toolkit.fluxcd.io"),
    built(modules.KUSTOMIZE_CONTROLLER, "config/crd/bases", "kustomize.toolkit.fluxcd.io"),
    built(modules.SEALED_SECRETS, "helm/sealed-secrets/crds", "bitnami.com"),
    Source(
        "github.com/kedacore/keda/v2",
        modules.KEDA.version,
        "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",  # in no go.sum: go.mod names a folder instead
        "config/crd/bases",
        ("keda.sh",),
    ),
    Source(
        "sigs.k8s.io/gateway-api",
        "v1.6.3",
        "h1:lKpJa5bGlraC/QeACvCpsHLdmO6y0iKfzVl6gzaFEYc=",
        "config/crd/standard",
        ("gateway.networking.k8s.io",),
    ),
    Source(
        "github.com/external-secrets/external-secrets",
        "v1.3.2",
        "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
        "config/crds/bases",
        ("external-secrets.io",),
    ),
)


def source_of(group: str) -> Source | None:
    """The module that defines a group's kinds; None for Kubernetes' own groups."""
    return next((each for each in SOURCES if group in each.groups), None)


def source(group: str) -> Source:
    """The module that defines a group's kinds. Raises NodeError if it is not known."""
    found = source_of(group)
    if found is None:
        raise NodeError(f"no module is known that defines the kinds of {group}; add it to {__name__}.SOURCES")
    return found


def definition(cache: Path, group: str, kind: str) -> Any:
    """One CustomResourceDefinition; None if no source has the group, or the group does not have the kind."""
    found = source_of(group)
    if found is None:
        return None
    for file in sorted(provide(cache, found).iterdir()):
        text = file.read_text()
        if f"\n    kind: {kind}\n" in text and f"\n  group: {group}\n" in text:  # most are large: only one is parsed
            return yaml.load(text, Loader=Loader)  # noqa: S506 - it is a safe one
    return None


def provide(cache: Path, source: Source) -> Path:
    """The folder with a module's definitions, which kubectl can apply."""
    folder = cache / "crds" / source.key
    if not folder.exists():
        staged = folder.with_name(f"{folder.name}.{os.getpid()}.next")
        with step(f"reading the definitions of {source.module} {source.version}"):
            try:
                _extract(cache, source, staged)
                _complete(staged, folder)
            finally:
                shutil.rmtree(staged, ignore_errors=True)
    return folder


def _complete(staged: Path, folder: Path) -> None:
    try:
        (staged / "definitions").replace(folder)
    except OSError:
        if not folder.exists():  # otherwise another process has made it, with the same content
            raise


def _extract(cache: Path, source: Source, staged: Path) -> None:
    (staged / "definitions").mkdir(parents=True)
    texts = {file.name: file.read_text() for file in (download(cache, source, staged) / source.folder).glob("*.yaml")}
    found = {name: text for name, text in texts.items() if "\nkind: CustomResourceDefinition\n" in text}
    for name, text in found.items():
        (staged / "definitions" / name).write_text(text)
    if not found:
        raise NodeError(f"{source.module} {source.version} has no definitions in {source.folder}")


def download(cache: Path, source: Source, staged: Path) -> Path:
    """Download a module into a cache of its own, and return its folder. The caller removes it. Raises NodeError."""
    settings = {
        "GOMODCACHE": str(staged / "go-mod"),
        "GOFLAGS": "-modcacherw",
        "GOSUMDB": "off",  # the checksum is pinned here
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    command = [toolchain.go(cache), "mod", "download", "-json", f"{source.module}@{source.version}"]
    environment = {**os.environ, **settings}
    done = subprocess.run(
        command, env=environment, cwd=staged, capture_output=True, text=True, timeout=DOWNLOAD_LIMIT, check=False
    )
    answer = json.loads(done.stdout or "{}")
    if done.returncode or "Dir" not in answer:
        raise NodeError(f"{source.module} {source.version}: {answer.get('Error') or done.stderr.strip()}")
    if answer["Sum"] != source.checksum:
        raise NodeError(f"{source.module} {source.version} has the checksum {answer['Sum']}, not {source.checksum}")
    return Path(answer["Dir"])
