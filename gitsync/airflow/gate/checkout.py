"""A CI checkout of the DAG repository: checks its files, and writes another revision to compare with."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from gitsync.airflow.entries import EXECUTABLE, FILE, SYMLINK, Entry
from gitsync.airflow.policy import TreePolicy, objections


class NoRevision(Exception):
    """The checkout does not have the revision of ``--base``. The message says how to fetch it."""


def against_policy(root: Path, policy: TreePolicy) -> list[str]:
    """The objections to the files of a checkout. In a Git repository only tracked files count."""
    entries, targets = {}, {}
    for name in _names(root):
        status = (root / name).lstat()
        if os.path.islink(root / name):  # noqa: PTH114 - a name may be any bytes
            targets[name] = os.fsencode(os.readlink(root / name))  # noqa: PTH115 - a name may be any bytes
            entries[name] = Entry(SYMLINK, name, status.st_size)
        else:
            entries[name] = Entry(EXECUTABLE if status.st_mode & 0o100 else FILE, name, status.st_size)
    return list(objections(entries, lambda names: {name: targets[name] for name in names}, policy))


def _names(root: Path) -> list[str]:
    """The paths of all tracked files; without a Git repository, of all files in the folder."""
    listed = git(root, "ls-files", "-z", "--recurse-submodules")
    if listed.returncode == 0:
        names = [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
        return [name for name in names if os.path.lexists(root / name)]
    found = []
    for folder, directories, files in os.walk(root):
        directories[:] = [name for name in directories if name != ".git"]
        links = [name for name in directories if Path(folder, name).is_symlink()]
        found += [os.path.relpath(f"{folder}/{name}", root) for name in (*files, *links)]
    return found


def check_out(root: Path, revision: str, target: Path) -> Path:
    """Write the files of ``revision`` below ``target``, without submodules; return their folder.

    ``root`` is any folder of the repository. Raises NoRevision.
    """
    index = {"GIT_INDEX_FILE": str(target / "index")}
    target.mkdir(parents=True)
    tree = target / "tree"
    for command in (("read-tree", f"{revision}^{{tree}}"), ("checkout-index", "--all", f"--prefix={tree}/")):
        done = git(root, *command, environment=index)
        if done.returncode:
            cure = "fetch it first (`git fetch origin BRANCH`; in CI with the whole history: fetch-depth 0)"
            raise NoRevision(f"--base {revision}: git: {done.stderr.decode().strip().splitlines()[0]}; {cure}")
    tree.mkdir(exist_ok=True)
    return tree


def git(root: Path, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    # Git refuses a checkout of another user, which is common in containers. Nothing of the checkout is executed here.
    command = ["git", "-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", "-C", str(root), *arguments]
    return subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, check=False)
