"""Builds the node's programs from their pinned Go modules, each module once per version, into the cache."""

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

from hack.node import toolchain
from hack.node.errors import NodeError
from hack.node.programs import Binaries
from hack.progress import step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hack.progress import Step

POLL = 0.2


@dataclass(frozen=True)
class Module:
    """A folder below go/ whose go.mod names the programs as tools, or which is a program itself."""

    name: str
    main: str
    """The module whose version is the program's."""
    tags: str = ""
    variables: str = ""
    """Set by the linker; {version}, {major} and {minor} are the main module's."""
    renamed: tuple[tuple[str, str], ...] = ()
    parent: Path = toolchain.GO_MODULES

    @property
    def folder(self) -> Path:
        return self.parent / self.name

    @property
    def version(self) -> str:
        return pinned_version((self.folder / "go.mod").read_text(), self.main)

    @property
    def arguments(self) -> list[str]:
        version = self.version
        numbers = version.removeprefix("v").split(".")
        variables = self.variables.format(version=version, major=numbers[0], minor=numbers[1])
        return ["-trimpath", "-buildvcs=false", f"-tags={self.tags}", f"-ldflags=-s -w {variables}".rstrip()]

    @property
    def package(self) -> str:
        """What Go is asked to build."""
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


def binaries(cache: Path) -> Binaries:
    """Where the programs are, or will be once they are built."""
    return Binaries({module.name: programs_of(cache, module) for module in MODULES})


def build(cache: Path) -> Binaries:
    build_modules(cache, MODULES)
    return binaries(cache)


def build_modules(cache: Path, modules: Iterable[Module]) -> None:
    """Build those that are not in the cache."""
    missing = [module for module in modules if not _folder(cache, module).exists()]
    if missing:
        with _alone(cache):
            go = toolchain.go(cache)
            for module in missing:
                _build(cache, module, go)


def programs_of(cache: Path, module: Module) -> Path:
    """Where a module's programs are, or will be."""
    return _folder(cache, module) / "bin"


def _folder(cache: Path, module: Module) -> Path:
    return cache / "node" / module.key


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Two builds at once would only slow each other down."""
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
    staged.replace(folder)  # it has its name once it is complete


def _compile(cache: Path, module: Module, command: list[str], current: Step) -> None:
    log = cache / "node" / f"{module.name}.log"
    settings = {
        "CGO_ENABLED": "0",
        "GOCACHE": str(cache / "go-build"),
        "GOMODCACHE": str(cache / "go-mod"),
        "GOFLAGS": "-modcacherw",  # so that the cache can be removed like any folder
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        # The compiler is a Go program too: a sixth of its time is for memory that it could as well keep.
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
