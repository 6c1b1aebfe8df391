"""Checks that the machine can host a node, and installs missing packages with apt."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hack.lab.node import cgroups
from hack.lab.node.commands import PATH, plain_environment, run, succeeds
from hack.lab.node.configuration import Machine
from hack.lab.node.errors import NodeError
from hack.progress import step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.progress import Step

PACKAGES = {
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
    "catatonit": "catatonit",
    "ip": "iproute2",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "runc": "runc",
}
"""The Debian package of each needed program or file."""

POLICY = Path("/usr/sbin/policy-rc.d")

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
CAP_SYS_RESOURCE = 24
APT_LIMIT = 900.0
PATIENT = ("--option=DPkg::Lock::Timeout=600",)
"""Wait for another process that is installing packages."""


def prepare() -> Machine:
    refuse_unfit_machine()
    install_missing(PACKAGES)
    return Machine(unified_cgroups=cgroups.hierarchies().unified, sys_resource=has_capability(CAP_SYS_RESOURCE))


def missing_packages(wanted: dict[str, str], path: str = PATH) -> list[str]:
    """The packages of the missing programs and files, without repetitions."""
    missing = (package for name, package in wanted.items() if not (_is_file(name) or shutil.which(name, path=path)))
    return sorted(set(missing))


def _is_file(name: str) -> bool:
    return name.startswith("/") and Path(name).exists()


def install_missing(wanted: dict[str, str]) -> None:
    if missing_packages(wanted):
        with _alone():
            _install(wanted)


@contextmanager
def _alone() -> Iterator[None]:
    """Let only one process install at a time. Otherwise the first to end would remove the other's `POLICY` file."""
    handle = os.open(POLICY.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _install(wanted: dict[str, str]) -> None:
    packages = missing_packages(wanted)
    if not packages:
        return  # another process has installed them in the meantime
    command = ("apt-get", "install", "--yes", "--no-install-recommends", *packages)
    with step(f"installing {' '.join(packages)}") as current:
        said = ""
        # On a fresh machine the package lists are empty or old. They are only read if the first attempt fails.
        for attempt in (command, ("apt-get", "update"), command):
            said = _apt(attempt, current)
            if not missing_packages(wanted):
                return
        raise NodeError(
            f"these packages are missing and apt could not install them: {' '.join(missing_packages(wanted))}\n"
            f"{said}\nInstall them by hand: {' '.join(command)}"
        )


def _apt(command: tuple[str, ...], current: Step) -> str:
    """Run apt. Gives its error, or an empty text."""
    environment = plain_environment(DEBIAN_FRONTEND="noninteractive") | _proxies()
    try:
        with nothing_starts():
            run(*command, *PATIENT, limit=APT_LIMIT, environment=environment, waiting=lambda: current.tick(command[1]))
    except NodeError as error:
        return str(error)
    return ""


@contextmanager
def nothing_starts() -> Iterator[None]:
    """Keep installed packages from starting services: they ask this file first, and its exit status 101 forbids it."""
    if POLICY.exists() or os.geteuid() != 0:
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _proxies() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


def refuse_unfit_machine() -> None:
    """Raise NodeError that names all faults that no package can cure."""
    refuse_other_users()
    problems = [f"the capability {name}" for name, bit in CAPABILITIES.items() if not has_capability(bit)]
    if missing := cgroups.missing_controllers(cgroups.hierarchies()):
        problems.append(f"the control group controllers {', '.join(missing)}")
    if not _has_overlay():
        problems.append("the overlay file system (`modprobe overlay`)")
    if problems:
        raise NodeError("this machine cannot host a node; it lacks " + "; ".join(problems))


def refuse_other_users() -> None:
    if os.geteuid() != 0:
        raise NodeError("the embedded node needs root (namespaces, mounts, control groups): run this as root")


def has_capability(bit: int) -> bool:
    return bool(effective_capabilities(Path("/proc/self/status").read_text()) >> bit & 1)


def effective_capabilities(status: str) -> int:
    line = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return int(line.split()[1], 16)


def _has_overlay() -> bool:
    if "overlay" not in Path("/proc/filesystems").read_text().split():
        succeeds("modprobe", "overlay")
    return "overlay" in Path("/proc/filesystems").read_text().split()
