"""One bare repository on disk, written by one process at a time, and what keeps it whole."""

from __future__ import annotations

import math
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

# Stronger than every .gitattributes of the content, so that the bytes in a tree are the bytes in Git.
_INERT = "* -text -ident !eol !filter !working-tree-encoding\n"
_SCRATCH = "tmp.gitsync."


class Repository:
    """A bare repository. Every address and credential is given to the one command that needs it; none is stored."""

    def __init__(self, directory: Path, *, timeout: float) -> None:
        self.directory = directory.absolute()
        self.timeout = timeout
        self.ends = math.inf
        """When every command must have ended, on the monotonic clock."""

    def run(
        self, *args: str, env: Mapping[str, str] | None = None, config: Mapping[str, str] | None = None,
        stdin: bytes = b"", limit: int = OUTPUT_LIMIT,
    ) -> bytes:  # fmt: skip
        """What a command prints. Raises CommandFailed, CommandTimedOut or OutputTooLong."""
        arguments = (f"--git-dir={self.directory}", *args)
        timeout = min(self.timeout, max(self.ends - time.monotonic(), 0.0))
        return output(*arguments, env=environment(env or {}, config or {}), timeout=timeout, stdin=stdin, limit=limit)

    def make(self) -> None:
        """An empty repository. Raises StoreError."""
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            arguments = ("init", "--quiet", "--bare", "--template=", str(self.directory))
            output(*arguments, env=environment({}, {}), timeout=self.timeout)
            self._make_attributes_inert()
        except (OSError, CommandFailed) as error:
            message = f"cannot make a repository in {self.directory}: {error}; check the volume's space and owner"
            raise StoreError(message) from error

    def recover(self) -> None:
        """Clear what a process that died here may have left; valid while nobody else writes."""
        for pattern in ("**/*.lock", "gc.pid", "objects/**/tmp_*", f"{_SCRATCH}*"):
            for left in self.directory.glob(pattern):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        with suppress(OSError):  # on a full volume the file that was written before is still there
            self._make_attributes_inert()

    def _make_attributes_inert(self) -> None:
        file = self.directory / "info" / "attributes"
        if not file.exists() or file.read_text() != _INERT:
            file.parent.mkdir(exist_ok=True)
            file.write_text(_INERT)

    def sound(self, *, thorough: bool) -> bool:
        """Whether all that any reference leads to is here; ``thorough``: and the contents are what they were."""
        extent = () if thorough else ("--connectivity-only",)
        try:
            self.run("fsck", "--no-dangling", "--no-progress", *extent)
        except CommandFailed:
            return False
        except CommandTimedOut:
            return True  # too large to say, and no reason to fetch all of it again
        return True

    def replace(self, damaged: Repository) -> None:
        """Take the place of ``damaged``; ``settle`` finishes this after a crash."""
        aside = _aside(damaged.directory)
        damaged.directory.rename(aside)
        self.directory.rename(damaged.directory)
        self.directory = damaged.directory
        shutil.rmtree(aside, ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory for an index and the like."""
        directory = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.directory))
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    @property
    def shallow(self) -> bool:
        """Some history was cut off."""
        return (self.directory / "shallow").exists()

    @property
    def partial(self) -> bool:
        """Some objects were left at the remote."""
        return any((self.directory / "objects" / "pack").glob("*.promisor"))

    def promise(self, kind: str) -> None:
        """Note for every later command that the remote has what ``kind`` of filter leaves out."""
        for key, value in (("remote.origin.promisor", "true"), ("remote.origin.partialclonefilter", kind)):
            self.run("config", key, value)

    def peel(self, name: str) -> str | None:
        """The commit that ``name`` stands for, if it is here."""
        try:
            return self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
        except CommandFailed:
            return None

    def has(self, commit: str) -> bool:
        """Whether ``commit`` is here."""
        try:
            self.run("cat-file", "-e", f"{commit}^{{commit}}")
        except CommandFailed:
            return False
        return True

    def references(self, *prefixes: str) -> list[str]:
        """Full names of all references below ``prefixes``."""
        return self.run("for-each-ref", "--format=%(refname)", *prefixes).decode().split()

    def ask(self, remote: Remote, *args: str, subject: str, stdin: bytes = b"", name: str = "origin") -> str:
        """A command that talks to ``remote``, which it calls ``name``; ``subject`` is the ref, for the error.

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
            self.recover()  # else half a pack stays for ever, and on a full volume nothing else fits
            raise explained(failure, remote.url, subject) from None

    def fetch(self, remote: Remote, wanted: str, *options: str, name: str = "origin") -> None:
        """Fetch the refspec or commit ``wanted``. Raises RemoteError or StoreError."""
        fixed = ("fetch", "--quiet", "--force", "--no-tags", "--recurse-submodules=no")
        self.ask(remote, *fixed, *options, name, wanted, subject=wanted, name=name)


def settle(directory: Path) -> Path:
    """Finish or undo a ``replace`` that a crash broke off; the path for a new repository beside ``directory``."""
    fresh, aside = directory.with_name(f"{directory.name}.fresh"), _aside(directory)
    if aside.exists() and not directory.exists():
        fresh.rename(directory)
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)
    return fresh


def _aside(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.damaged")
