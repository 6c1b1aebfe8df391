"""The node's control groups: they hold every process of the node, and so tell which processes are the node's."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hack.node.errors import NodeError

CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
PROGRAMS = "programs"
PODS = "kubepods"


@dataclass(frozen=True)
class Hierarchies:
    """Where control groups are mounted: one place in version 2, one per set of controllers in version 1."""

    unified: bool
    mounts: tuple[Path, ...]
    idle: tuple[Path, ...] = ()
    """Version 2 beside version 1: it has no controllers, but container tools leave empty groups in it."""


def parse_mounts(mountinfo: str) -> Hierarchies:
    """Read /proc/self/mountinfo."""
    version_1: list[Path] = []
    version_2: list[Path] = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind = after.split(" ")[0]
        if kind == "cgroup":
            version_1.append(Path(before.split(" ")[4]))
        elif kind == "cgroup2":
            version_2.append(Path(before.split(" ")[4]))
    if version_1:
        return Hierarchies(unified=False, mounts=tuple(version_1), idle=tuple(version_2))
    return Hierarchies(unified=True, mounts=tuple(version_2[:1]))


def hierarchies() -> Hierarchies:
    return parse_mounts(Path("/proc/self/mountinfo").read_text())


def missing_controllers(found: Hierarchies) -> list[str]:
    if found.unified:
        have = " ".join((mount / "cgroup.controllers").read_text() for mount in found.mounts).split()
    else:
        have = [name for mount in found.mounts for name in mount.name.split(",")]
    return [name for name in CONTROLLERS if name not in have]


def create(cgroup: str) -> list[Path]:
    """Make the node's groups; return the ones that its programs belong into."""
    found = hierarchies()
    groups = [_below(mount, cgroup) for mount in found.mounts]
    prepare = _delegate_controllers if found.unified else _inherit_processors
    for group in groups:
        (group / PROGRAMS).mkdir(parents=True, exist_ok=True)
        prepare(group)
    return [group / PROGRAMS for group in groups]


def _delegate_controllers(group: Path) -> None:
    """In version 2 a group has the controllers that its parent hands down."""
    for folder in (group.parent, group):
        _hand_down(folder)


def _hand_down(group: Path) -> None:
    wanted = " ".join(f"+{name}" for name in CONTROLLERS)
    try:
        (group / "cgroup.subtree_control").write_text(wanted)
    except OSError as error:
        raise NodeError(
            f"cannot hand the controllers {', '.join(CONTROLLERS)} to groups below {group}: {error}. "
            "A container that is to host a node needs a writable control group of its own without processes in it"
        ) from error


def _inherit_processors(group: Path) -> None:
    """In version 1 a new cpuset is empty, and nothing may enter it before it has processors and memory nodes."""
    for folder in (group, group / PROGRAMS):
        for name in ("cpuset.cpus", "cpuset.mems"):
            setting = folder / name
            if setting.exists() and not setting.read_text().strip():
                setting.write_text((folder.parent / name).read_text())


def members(cgroup: str, part: str = "") -> set[int]:
    """Every process in the group and below, over all hierarchies."""
    found: set[int] = set()
    for mount in hierarchies().mounts:
        for folder, _, files in os.walk(_below(mount, cgroup) / part):
            if "cgroup.procs" in files:
                with suppress(OSError):  # the group may vanish while we look
                    found.update(int(pid) for pid in (Path(folder) / "cgroup.procs").read_text().split())
    return found - {0}


def kill(cgroup: str, part: str, limit: float) -> None:
    """Kill until nobody is left: a process may fork between the look and the signal."""
    deadline = time.monotonic() + limit
    while pids := members(cgroup, part):
        if time.monotonic() > deadline:
            raise NodeError(f"processes {sorted(pids)} of control group {cgroup}/{part} survive SIGKILL")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def remove(cgroup: str, limit: float = 10.0) -> None:
    deadline = time.monotonic() + limit
    found = hierarchies()
    for mount in (*found.mounts, *found.idle):
        group = _below(mount, cgroup)
        while group.exists():
            _remove_tree(group)
            if time.monotonic() > deadline:
                raise NodeError(f"control group {group} cannot be removed; processes in it: {members(cgroup)}")
            time.sleep(0.02)


def _remove_tree(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        with suppress(OSError):  # a dying process may hold it a moment longer
            Path(folder).rmdir()


def _below(mount: Path, cgroup: str) -> Path:
    return mount / cgroup.lstrip("/")
