"""What DAG code could reach, as it has the gate's user: a socket without a file, and folders that are emptied."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


ABOUT = "/about"
"""Ends the name of the socket that says which Airflow answers."""


def address(name: str) -> str:
    """The address of the socket ``name`` in the pod's network namespace.

    No file stands for it, so there is none that DAG code could remove, and no folder that both containers write to.
    """
    return f"\0kube-airflow/{name}"


class Scratch:
    """The folders that DAG code can write to. All of their content belongs to the gate."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._kept: dict[Path, bytes | None] = {}
        """Contents by path; None for a directory."""

    def clear(self) -> None:
        """Remove everything. GNU's programs do it, because DAG code can nest folders deeper than Python goes."""
        for folder in self._folders:
            _empty(folder)

    def keep(self) -> None:
        """Note what is there now, such as Airflow's configuration, for `renew`."""
        found = (path for folder in self._folders for path in sorted(folder.rglob("*")))
        self._kept = {path: None if path.is_dir() else path.read_bytes() for path in found}

    def renew(self) -> None:
        """Bring back the files and directories of `keep`, and nothing else. No DAG code may run meanwhile."""
        self.clear()
        for path, content in self._kept.items():
            if content is None:
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(content)


def remove(folder: Path) -> None:
    """Remove a folder to which DAG code has written, as far as that is possible."""
    _empty(folder)
    with suppress(OSError):
        folder.rmdir()


def _empty(folder: Path) -> None:
    # Not `folder` itself: it may be the kubelet's. `find` opens a folder after `chmod` has made it readable.
    below = ("find", str(folder), "-mindepth", "1")
    _quietly(*below, "-type", "d", "!", "-perm", "-700", "-execdir", "chmod", "u+rwx", "{}", ";")
    _quietly(*below, "-delete")


def _quietly(*command: str) -> None:
    """Run a program. What it cannot remove stays; the next call tries again."""
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
