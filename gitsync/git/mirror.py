"""A bare repository on disk that holds every revision we have seen."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from gitsync.errors import RemoteError, StoreError
from gitsync.git.command import CommandFailed, CommandTimedOut, environment, run
from gitsync.git.remote import Remote, explained
from gitsync.log import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Mirror:
    """A bare repository on disk that holds every revision we have seen."""

    def __init__(self, directory: Path, *, timeout: float = 120.0) -> None:
        self.directory = directory
        self.timeout = timeout

    def _git(self, *args: str, env: Mapping[str, str] | None = None, config: Mapping[str, str] | None = None) -> str:
        arguments = (f"--git-dir={self.directory}", *args)
        return run(*arguments, env=environment(env or {}, config or {}), timeout=self.timeout)

    def prepare(self) -> None:
        """Make the repository; one that Git no longer recognises is made anew beside the trees it filled."""
        if self._usable():
            self._remove_stale_locks()
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            run("init", "--quiet", "--bare", str(self.directory), env=environment({}, {}), timeout=self.timeout)
        except (OSError, CommandFailed) as error:
            message = f"cannot make a repository in {self.directory}: {error}; check the volume's space and owner"
            raise StoreError(message) from error

    def _usable(self) -> bool:
        try:
            return self._git("rev-parse", "--is-bare-repository").strip() == "true"
        except CommandFailed:
            return False

    def _remove_stale_locks(self) -> None:
        # Only one process ever writes here, so a lock file that is there at start was left by a dead one.
        for lock in self.directory.rglob("*.lock"):
            lock.unlink(missing_ok=True)

    def fetch(self, remote: Remote, ref: str, *, depth: int | None = None) -> str:
        """Fetch branch, tag or full revision ``ref`` and return the commit it stands for. Raises RemoteError."""
        options = [f"--depth={depth}"] if depth else []
        try:
            self._git(
                "fetch", "--quiet", "--force", "--no-tags", *options, "--", remote.url, ref,
                env=remote.env, config=remote.config,
            )  # fmt: skip
            return self._git("rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}").strip()
        except CommandTimedOut:
            message = f"{redacted(remote.url)} did not answer within {self.timeout:.0f} s"
            raise RemoteError("TimedOut", message) from None
        except CommandFailed as failure:
            raise explained(failure, remote.url, ref) from None

    def has(self, revision: str) -> bool:
        """Whether commit ``revision`` is here; in a shallow clone too."""
        try:
            self._git("cat-file", "-e", f"{revision}^{{commit}}")
        except CommandFailed:
            return False
        return True

    def require_directory(self, revision: str, path: str) -> None:
        """Refuse a revision without the directory ``path``, which may be empty for the whole tree."""
        try:
            kind = self._git("cat-file", "-t", f"{revision}:{path.strip('/')}").strip()
        except CommandFailed:
            kind = "nothing"
        if kind != "tree":
            message = f"revision {revision[:12]} has no directory {path!r}; correct `subdirectory` or push one"
            raise RemoteError("SubdirectoryMissing", message)

    def keep(self, revision: str) -> None:
        """Protect ``revision`` from Git's garbage collection, also after a force-push."""
        self._git("update-ref", f"refs/revisions/{revision}", revision)

    def write_tree(self, revision: str, directory: Path) -> None:
        """Write all files of ``revision`` into the empty ``directory``. Raises StoreError."""
        # A private index: the tree is written whole each time, and no state of an earlier one matters.
        index = directory.with_name(f"{directory.name}.index")
        env = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(directory)}
        try:
            self._git("read-tree", revision, env=env)
            self._git("checkout-index", "--all", "--force", "--quiet", env=env)
        except (CommandFailed, CommandTimedOut) as error:
            message = f"cannot write the tree of {revision}: {error}; check the volume's free space"
            raise StoreError(message) from error
        finally:
            index.unlink(missing_ok=True)
