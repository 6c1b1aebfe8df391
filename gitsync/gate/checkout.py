"""A checkout of the DAG repository, as its CI has it: its files for the policy on trees, and another revision of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from gitsync.git.entries import EXECUTABLE, FILE, SYMLINK, Entry
from gitsync.git.policy import TreePolicy, objections


class NoRevision(Exception):
    """A person must fetch something first; the message says what."""


def against_policy(root: Path, policy: TreePolicy) -> list[str]:
    """What speaks against the files of a checkout; those that Git does not know are not looked at."""
    entries, targets = {}, {}
    for name in _names(root):
        status = (root / name).lstat()
        if os.path.islink(root / name):  # noqa: PTH114 - a name may be any bytes
            targets[name] = os.fsencode(os.readlink(root / name))  # noqa: PTH115
            entries[name] = Entry(SYMLINK, name, status.st_size)
        else:
            entries[name] = Entry(EXECUTABLE if status.st_mode & 0o100 else FILE, name, status.st_size)
    return list(objections(entries, lambda names: {name: targets[name] for name in names}, policy))


def _names(root: Path) -> list[str]:
    """Paths of all files; where there is no repository, all that is there."""
    listed = git(root, "ls-files", "-z", "--recurse-submodules")
    if listed.returncode == 0:
        names = [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
        return [name for name in names if os.path.lexists(root / name)]
    found = []
    for folder, directories, files in os.walk(root):
        directories[:] = [name for name in directories if name != ".git"]
        links = [name for name in directories if Path(folder, name).is_symlink()]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in (*files, *links)]  # noqa: PTH118
    return found


def check_out(root: Path, revision: str, target: Path) -> Path:
    """Write what ``revision`` of the repository around ``root`` holds into ``target``, without its submodules.

    Raises NoRevision.
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
    # In a container the checkout often belongs to another user; nothing of it is executed here.
    command = ["git", "-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", "-C", str(root), *arguments]
    return subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, check=False)
