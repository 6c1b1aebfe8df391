"""The node's control groups. They contain all processes of the node, so they also tell which processes are its own."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hack.lab.node.errors import NodeError

CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
"""Controllers that a node needs."""
WHERE_OFFERED = ("hugetlb",)
"""Controllers that the kubelet needs only if the root group has them (its `getSupportedUnifiedControllers`)."""
PROGRAMS = "programs"
PODS = "kubepods"


@dataclass(frozen=True)
class Hierarchies:
    """The mount points of control groups: one in version 2, one for each set of controllers in version 1."""

    unified: bool
    mounts: tuple[Path, ...]
    idle: tuple[Path, ...] = ()
    """The mount point of version 2 beside version 1. It has no controllers, but container tools leave empty groups."""


def parse_mounts(mountinfo: str) -> Hierarchies:
    """Find the mount points in the text of /proc/self/mountinfo."""
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
    """Make the node's groups, and return those for its programs."""
    found = hierarchies()
    groups = [_below(mount, cgroup) for mount in found.mounts]
    prepare = delegate_controllers if found.unified else _inherit_processors
    for group in groups:
        (group / PROGRAMS).mkdir(parents=True, exist_ok=True)
        prepare(group)
    return [group / PROGRAMS for group in groups]


def delegate_controllers(group: Path) -> None:
    """Hand controllers down to the node's groups. In version 2 a group has only those that its parent hands down."""
    wanted = to_hand_down(group.parent)
    for folder in (group.parent, group):
        _hand_down(folder, wanted)


def to_hand_down(root: Path) -> list[str]:
    """The controllers to hand down in version 2: the needed ones, and the optional ones that ``root`` has."""
    offered = (root / "cgroup.controllers").read_text().split()
    return [*CONTROLLERS, *(name for name in WHERE_OFFERED if name in offered)]


def _hand_down(group: Path, controllers: list[str]) -> None:
    try:
        (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))
    except OSError as error:
        raise NodeError(
            f"cannot hand the controllers {', '.join(controllers)} to groups below {group}: {error}. "
            "A container that is to host a node needs a writable control group of its own without processes in it"
        ) from error


def _inherit_processors(group: Path) -> None:
    """Copy processors and memory nodes from the parent. In version 1 no process may enter a cpuset without them."""
    for folder in (group, group / PROGRAMS):
        for name in ("cpuset.cpus", "cpuset.mems"):
            setting = folder / name
            if setting.exists() and not setting.read_text().strip():
                setting.write_text((folder.parent / name).read_text())


def members(cgroup: str, part: str = "") -> set[int]:
    """The ids of all processes in the group and below, in all hierarchies."""
    found: set[int] = set()
    for mount in hierarchies().mounts:
        for folder, _, files in os.walk(_below(mount, cgroup) / part):
            if "cgroup.procs" in files:
                with suppress(OSError):  # the group may have been removed since it was listed
                    found.update(int(pid) for pid in (Path(folder) / "cgroup.procs").read_text().split())
    return found - {0}


def kill(cgroup: str, part: str, limit: float) -> None:
    """Kill until no process is left. It takes several rounds if a process forks before its signal."""
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
        with suppress(OSError):  # a process that is ending may keep the group for a moment
            Path(folder).rmdir()


def _below(mount: Path, cgroup: str) -> Path:
    return mount / cgroup.lstrip("/")
