"""Builds the node's programs from pinned Go modules into the cache, once for each version."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hack.lab.node import toolchain
from hack.lab.node.errors import NodeError
from hack.lab.node.programs import Binaries
from hack.progress import step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hack.progress import Step

POLL = 0.2


@dataclass(frozen=True)
class Module:
    """A folder below go/. Its go.mod has the programs as tools, or the folder is a program itself."""

    name: str
    main: str
    """The module with the program's version."""
    tags: str = ""
    variables: str = ""
    """Linker flags for variables; {version}, {major} and {minor} stand for the main module's version."""
    renamed: tuple[tuple[str, str], ...] = ()
    parent: Path = toolchain.GO_MODULES

    @property
    def folder(self) -> Path:
        return self.parent / self.name

    @property
    def version(self) -> str:
        return pinned_version((self.folder / "go.mod").read_text(), self.main)

    @property
    def checksum(self) -> str:
        """The main module's, as Go's checksum database has it: `h1:…`."""
        return pinned_checksum((self.folder / "go.sum").read_text(), self.main, self.version)

    @property
    def arguments(self) -> list[str]:
        version = self.version
        numbers = version.removeprefix("v").split(".")
        variables = self.variables.format(version=version, major=numbers[0], minor=numbers[1])
        return ["-trimpath", "-buildvcs=false", f"-tags={self.tags}", f"-ldflags=-s -w {variables}".rstrip()]

    @property
    def package(self) -> str:
        """The package for `go build`."""
        return "." if (self.folder / "main.go").exists() else "tool"

    @property
    def key(self) -> str:
        digest = hashlib.sha256("\0".join([*self.arguments, *map(str, self.renamed)]).encode())
        for file in sorted(each for each in self.folder.iterdir() if each.is_file()):
            digest.update(file.read_bytes())
        return f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"


MODULES = (
    Module(
        "kubernetes",
        "k8s.io/kubernetes",
        variables=" ".join(
            f"-X k8s.io/component-base/version.git{part}={{{part.lower()}}}" for part in ("Version", "Major", "Minor")
        ),
    ),
    Module(
        "containerd",
        "github.com/containerd/containerd/v2",
        tags="no_btrfs,no_zfs,no_devmapper,no_aufs",
        variables="-X github.com/containerd/containerd/v2/version.Version={version}",
    ),
    Module("cni", "github.com/containernetworking/plugins"),
    Module("etcd", "go.etcd.io/etcd/server/v3", renamed=(("server", "etcd"),)),
    Module("coredns", "github.com/coredns/coredns"),
)


def pinned_version(go_mod: str, module: str) -> str:
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if not found:
        raise NodeError(f"go.mod does not pin {module}")
    return found[1]


def pinned_checksum(go_sum: str, module: str, version: str) -> str:
    found = re.search(rf"^{re.escape(module)} {re.escape(version)} (h1:\S+)$", go_sum, re.MULTILINE)
    if not found:
        raise NodeError(f"go.sum has no checksum of {module} {version}")
    return found[1]


def binaries(cache: Path) -> Binaries:
    """The folders of the programs, also of those that are not built yet."""
    return Binaries({module.name: programs_of(cache, module) for module in MODULES})


def build(cache: Path) -> Binaries:
    build_modules(cache, MODULES)
    return binaries(cache)


def build_modules(cache: Path, modules: Iterable[Module]) -> None:
    """Build the modules that are not in the cache. Raises NodeError."""
    missing = [module for module in modules if not _folder(cache, module).exists()]
    if missing:
        with _alone(cache):
            go = toolchain.go(cache)
            for module in missing:
                _build(cache, module, go)


def programs_of(cache: Path, module: Module) -> Path:
    """The folder of a module's programs, also if they are not built yet."""
    return _folder(cache, module) / "bin"


def _folder(cache: Path, module: Module) -> Path:
    return cache / "node" / module.key


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Let only one build run at a time, because two would slow each other down."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "build.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step("waiting for another build"):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(cache: Path, module: Module, go: str) -> None:
    folder = _folder(cache, module)
    if folder.exists():
        return
    staged = folder.with_name(f"{folder.name}.next")
    shutil.rmtree(staged, ignore_errors=True)
    (staged / "bin").mkdir(parents=True)
    with step(f"building {module.name} {module.version}") as current:
        _compile(
            cache, module, [go, "build", "-v", *module.arguments, "-o", f"{staged / 'bin'}/", module.package], current
        )
    for built, name in module.renamed:
        (staged / "bin" / built).rename(staged / "bin" / name)
    staged.replace(folder)  # last, so that the folder is complete when it exists


def _compile(cache: Path, module: Module, command: list[str], current: Step) -> None:
    log = cache / "node" / f"{module.name}.log"
    settings = {
        "CGO_ENABLED": "0",
        "GOCACHE": str(cache / "go-build"),
        "GOMODCACHE": str(cache / "go-mod"),
        "GOFLAGS": "-modcacherw",  # without this flag the cache is read-only, and cannot simply be removed
        # A module may ask for a newer patch release than this machine's: Go takes it from the proxy as a module.
        "GOTOOLCHAIN": "auto",
        "GOWORK": "off",
        # The compiler spends a sixth of its time on garbage collection. With these values it keeps more memory instead.
        "GOGC": "400",
        "GOMEMLIMIT": "2GiB",
    }
    with log.open("w") as output:
        child = subprocess.Popen(
            command, cwd=module.folder, stdout=output, stderr=output, env={**os.environ, **settings}
        )
        try:
            while child.poll() is None:
                current.tick(_doing(log))
                time.sleep(POLL)
        finally:
            child.kill()
            child.wait()
    if child.returncode != 0:
        raise NodeError(f"building {module.name} failed, see {log}:\n{log.read_text()[-3000:]}")


def _doing(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    compiled = sum(not line.startswith("go: ") for line in lines)
    return f"{compiled} packages compiled, {lines[-1]}" if lines else "reading the modules"
