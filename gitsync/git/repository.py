"""One bare repository on disk: runs commands in it, checks it, and replaces it if it is damaged."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.errors import RemoteError, StoreError
from gitsync.git.command import OUTPUT_LIMIT, CommandFailed, CommandTimedOut, OutputTooLong, environment, output
from gitsync.git.remote import Remote, explained
from gitsync.log import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# These attributes win over every .gitattributes file of a tree, so that checked-out files have Git's exact bytes.
_INERT = "* -text -ident !eol !filter !working-tree-encoding\n"
_SCRATCH = "tmp.gitsync."


class Repository:
    """A bare repository. It stores no address and no credential: each command gets its own. One process writes it."""

    def __init__(self, directory: Path, *, timeout: float) -> None:
        self.directory = directory.absolute()
        self.timeout = timeout
        self.ends = math.inf
        """The time at which every command is killed, on the monotonic clock."""

    def run(
        self, *args: str, env: Mapping[str, str] | None = None, config: Mapping[str, str] | None = None,
        stdin: bytes = b"", limit: int = OUTPUT_LIMIT,
    ) -> bytes:  # fmt: skip
        """Run a command, and return its output. Raises CommandFailed, CommandTimedOut or OutputTooLong."""
        # No argument names the repository: a program in Git's place finds the command in the first one.
        extra = {**(env or {}), "GIT_DIR": str(self.directory)}
        timeout = min(self.timeout, max(self.ends - time.monotonic(), 0.0))
        return output(*args, env=environment(extra, config or {}), timeout=timeout, stdin=stdin, limit=limit)

    def make(self) -> None:
        """Make an empty repository. Raises StoreError."""
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            arguments = ("init", "--quiet", "--bare", "--template=", str(self.directory))
            output(*arguments, env=environment({}, {}), timeout=self.timeout)
            self._make_attributes_inert()
            self._write_to_disk()
        except (OSError, CommandFailed) as error:
            message = f"cannot make a repository in {self.directory}: {error}; check the volume's space and owner"
            raise StoreError(message) from error

    def _write_to_disk(self) -> None:
        """Git does not do this for a new repository. After a power failure an empty HEAD would make it none at all."""
        for path in (*self.directory.rglob("*"), self.directory, self.directory.parent):
            opened = os.open(path, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)

    def recover(self) -> None:
        """Remove leftovers of a killed process, such as lock files. No other process may be writing."""
        for pattern in ("**/*.lock", "gc.pid", "objects/**/tmp_*", f"{_SCRATCH}*"):
            for left in self.directory.glob(pattern):
                with suppress(OSError):  # a lock that stays makes Git's command fail, and Git names the file
                    shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        with suppress(OSError):  # on a full volume; the file exists from before
            self._make_attributes_inert()

    def _make_attributes_inert(self) -> None:
        file = self.directory / "info" / "attributes"
        if not file.exists() or file.read_text() != _INERT:
            file.parent.mkdir(exist_ok=True)
            file.write_text(_INERT)

    def sound(self, *, thorough: bool) -> bool:
        """Whether no object that a reference leads to is missing; ``thorough``: and whether none is damaged."""
        extent = () if thorough else ("--connectivity-only",)
        try:
            self.run("fsck", "--no-dangling", "--no-progress", *extent)
        except CommandFailed:
            return False
        except CommandTimedOut:
            return True  # unknown for a repository so large; fetching all of it again is no solution
        return True

    def replace(self, damaged: Repository) -> None:
        """Move this repository to the place of ``damaged``. `settle` finishes the move after a crash."""
        aside = _aside(damaged.directory)
        with suppress(FileNotFoundError):  # somebody may have removed it
            damaged.directory.rename(aside)
        self.directory.rename(damaged.directory)
        self.directory = damaged.directory
        shutil.rmtree(aside, ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary directory, for an index and the like."""
        directory = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.directory))
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    @property
    def shallow(self) -> bool:
        """Whether a part of the history was not fetched."""
        return (self.directory / "shallow").exists()

    @property
    def partial(self) -> bool:
        """Whether some objects were not fetched because of a filter."""
        return any((self.directory / "objects" / "pack").glob("*.promisor"))

    def promise(self, kind: str) -> None:
        """Tell Git that the remote has the objects that the filter ``kind`` leaves out, so that they may be missing."""
        for key, value in (("remote.origin.promisor", "true"), ("remote.origin.partialclonefilter", kind)):
            self.run("config", key, value)

    def peel(self, name: str) -> str | None:
        """The commit to which ``name`` leads, or None."""
        try:
            return self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
        except CommandFailed:
            return None

    def has(self, commit: str) -> bool:
        """Whether ``commit`` is in the repository."""
        try:
            self.run("cat-file", "-e", f"{commit}^{{commit}}")
        except CommandFailed:
            return False
        return True

    def references(self, *prefixes: str) -> list[str]:
        """The full names of all references below ``prefixes``."""
        return self.run("for-each-ref", "--format=%(refname)", *prefixes).decode().split()

    def ask(self, remote: Remote, *args: str, subject: str, stdin: bytes = b"", name: str = "origin") -> str:
        """Run a command that talks to ``remote`` under the name ``name``. ``subject`` is the ref, for the error.

        Raises RemoteError or StoreError.
        """
        config = {f"remote.{name}.url": remote.url, **remote.config}
        try:
            return self.run(*args, env=remote.env, config=config, stdin=stdin).decode(errors="replace")
        except CommandTimedOut:
            self.recover()
            message = f"{redacted(remote.url)} did not answer within {self.timeout:.0f} s"
            raise RemoteError("TimedOut", message) from None
        except OutputTooLong:
            raise RemoteError("FetchFailed", f"{redacted(remote.url)} has too many refs to read") from None
        except CommandFailed as failure:
            self.recover()  # otherwise half a pack would stay, and fill the volume
            raise explained(failure, remote.url, subject) from None

    def fetch(self, remote: Remote, wanted: str, *options: str, name: str = "origin") -> None:
        """Fetch the refspec or commit ``wanted``. Raises RemoteError or StoreError."""
        fixed = ("fetch", "--quiet", "--force", "--no-tags", "--recurse-submodules=no")
        self.ask(remote, *fixed, *options, "--", name, wanted, subject=wanted, name=name)


def settle(directory: Path) -> Path:
    """Finish or undo a `Repository.replace` that a crash interrupted. Gives the path for a new repository."""
    fresh, aside = directory.with_name(f"{directory.name}.fresh"), _aside(directory)
    if aside.exists() and not directory.exists():
        fresh.rename(directory)
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)
    return fresh


def _aside(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.damaged")
