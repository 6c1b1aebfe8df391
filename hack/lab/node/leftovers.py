"""Removes leftovers of the node's programs: mounts in its folders, and files outside of them."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hack.lab.node.commands import run
from hack.lab.node.errors import NodeError

if TYPE_CHECKING:
    from hack.lab.node.plan import Plan
    from hack.progress import Step

REMOVE_LIMIT = 300.0

CNI_RESULTS = Path("/var/lib/cni/results")
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
CONTAINER_LOGS = Path("/var/log/containers")


def mounts_below(mountinfo: str, folders: tuple[Path, ...]) -> list[Path]:
    """The mount points in ``folders``, deepest first. The kernel writes blanks in paths as octal escapes."""
    points = [Path(_unescape(line.split(" ")[4])) for line in mountinfo.splitlines()]
    return [point for point in reversed(points) if any(folder in (point, *point.parents) for folder in folders)]


def unmount(plan: Plan) -> None:
    folders = (plan.run, plan.state)
    for point in mounts_below(Path("/proc/self/mountinfo").read_text(), folders):
        run("umount", "--lazy", str(point))
    if left := mounts_below(Path("/proc/self/mountinfo").read_text(), folders):
        raise NodeError(f"still mounted: {', '.join(map(str, left))}; nothing below was removed")


def remove_files(plan: Plan, current: Step) -> None:
    """Remove the node's files. Call `unmount` first: files on a mounted volume must stay."""
    for folder in (plan.run, plan.state):
        run(
            *("rm", "--recursive", "--force", "--one-file-system", str(folder)),
            limit=REMOVE_LIMIT,
            waiting=partial(current.tick, str(folder)),
        )
    for result in CNI_RESULTS.glob("*"):
        if is_result_of(plan.name, result.name):
            result.unlink()
    for link in CONTAINER_LOGS.glob("*"):
        if link.is_symlink() and plan.state in link.readlink().parents:
            link.unlink()
    _remove_device_socket()
    for folder in (CNI_RESULTS, CNI_RESULTS.parent, CONTAINER_LOGS, DEVICE_PLUGINS, DEVICE_PLUGINS.parent):
        with suppress(OSError):  # the folder does not exist, or has files of another program
            folder.rmdir()


def _remove_device_socket() -> None:
    """Remove the kubelet's socket if no kubelet runs. All kubelets of a machine use the same path."""
    if any(_is_kubelet(folder) for folder in Path("/proc").glob("[0-9]*")):
        return
    for name in ("kubelet.sock", "kubelet_internal_checkpoint"):
        (DEVICE_PLUGINS / name).unlink(missing_ok=True)


def _is_kubelet(process: Path) -> bool:
    try:
        return (process / "exe").readlink().name == "kubelet"
    except OSError:
        return False


def is_result_of(network: str, file: str) -> bool:
    """Whether a file of CNI's results belongs to ``network``. Its name has the network, the container and the link."""
    return re.fullmatch(rf"{re.escape(network)}-[0-9a-f]{{64}}-\w+", file) is not None


def _unescape(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)
