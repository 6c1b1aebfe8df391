"""Trees on disk: one immutable directory per revision, and the link that says which one is current.

    <root>/current            relative symbolic link, replaced by one atomic rename
    <root>/revisions/<sha>/   one whole commit, read-only

Everything else below ``root`` is private to gitsync. Trees share the files that they have in common, so no file in
one is ever written, and no mode or time of a shared one ever changed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Collection
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gitsync.errors import StoreError, VolumeFull
from gitsync.git.command import REVISION
from gitsync.trees import build

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

RESERVE = 16 * 2**20
"""Bytes of the volume that staging leaves free: Git needs some to fetch the commit that makes room."""


class Contents(Protocol):
    """Where the files of revisions come from; ``gitsync.git.mirror.Mirror`` is one."""

    def exported(self, revision: str) -> bool: ...

    def paths(self, revision: str) -> Collection[str]: ...

    def size(self, revision: str, paths: Collection[str] | None = None) -> int: ...

    def changed(self, old: str, new: str) -> Collection[str]: ...

    def write_files(self, revision: str, directory: Path, paths: Collection[str] | None = None) -> None: ...


Touched = Callable[[str], Collection[str] | None]
"""Given the tree that is built upon, the paths of unchanged files to parse again all the same; None: all DAG files."""


class Store:
    """The trees below ``root``. Written by one process, read by many."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.link = root / "current"
        self.revisions = root / "revisions"
        self._incoming = root / ".incoming"
        self._unsettled = root / ".unsettled"

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keep every other writer out; the kernel lets the next one in when we die. Raises StoreError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.root / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            message = (
                f"another gitsync writes to {self.root}; on a shared volume one sidecar writes, and all others read"
            )
            raise StoreError(message) from None
        finally:
            os.close(lock)

    def prepare(self) -> None:
        """Make the directories, and clear what a crash at any earlier step may have left. Raises StoreError."""
        try:
            build.remove(self._incoming)
            for directory in (self.revisions, self._incoming):
                directory.mkdir(parents=True, exist_ok=True)
            for revision in self.staged():
                build.close(self.revisions / revision)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(f"cannot write below {self.root}: {error.strerror}; check the volume's owner and free space")

    def current(self) -> str | None:
        """The revision that readers see, or None before the first."""
        try:
            name = self.link.readlink().name
        except OSError:
            return None
        return name if self.has(name) else None

    def flipped_at(self) -> float | None:
        """When the link last moved, in seconds since 1970: never before it was seen to have moved."""
        try:
            return self.link.lstat().st_mtime
        except OSError:
            return None

    def has(self, revision: str) -> bool:
        return REVISION.fullmatch(revision) is not None and (self.revisions / revision).is_dir()

    def staged(self) -> frozenset[str]:
        return frozenset(path.name for path in self.revisions.iterdir() if REVISION.fullmatch(path.name))

    def stage(
        self, revision: str, contents: Contents, *, near: str | None = None, touched: Touched = lambda _base: ()
    ) -> Path:
        """Have the tree of ``revision``; what it has in common with ``near``, or the current tree, are links.

        Raises StoreError; nothing is then left of it.
        """
        tree = self.revisions / revision
        try:
            if not self.has(revision):
                self._build(tree, contents, self._base(near, contents), touched)
            os.utime(tree)  # it is wanted now, so it is young
        except OSError as error:
            message = f"cannot stage {revision}: {error.strerror}; check the space and owner of {self.root}"
            raise StoreError(message) from error
        return tree

    def _base(self, near: str | None, contents: Contents) -> str | None:
        """What to link from: trees that follow each other have most in common."""
        wanted = (near, self.current(), *self._by_use())
        return next((name for name in wanted if name and self.has(name) and contents.exported(name)), None)

    def _build(self, tree: Path, contents: Contents, base: str | None, touched: Touched) -> None:
        paths = contents.paths(tree.name)
        if base is None:
            plan = build.plan(paths, changed=paths)
        else:
            plan = build.plan(paths, contents.changed(base, tree.name), touched(base))
        self._make_sure_of_space(tree.name, plan, contents.size(tree.name, set(plan.written)))
        incoming = self._scratch(tree.name[:12])
        try:
            incoming.mkdir()
            missing = build.link(self.revisions / base, incoming, plan) if base is not None else []
            written = [*plan.written, *missing]
            if written:
                contents.write_files(tree.name, incoming, None if base is None else written)
            build.seal(incoming, plan, written)
            incoming.rename(tree)
            # Only now: a directory that is moved must be writable.
            build.close(tree)
        finally:
            build.remove(incoming)

    def _make_sure_of_space(self, revision: str, plan: build.Plan, sizes: int) -> None:
        volume = os.statvfs(self.root)
        free = volume.f_bavail * volume.f_frsize
        needed = plan.bytes_needed(sizes, volume.f_frsize)
        if needed + RESERVE > free:
            message = f"needs {_mebibytes(needed)} and a reserve of {_mebibytes(RESERVE)}, {_mebibytes(free)} are free"
            raise VolumeFull(f"cannot stage {revision}: it {message} in {self.root}; make the volume larger")
        if volume.f_files and plan.inodes_needed > volume.f_favail:
            message = f"needs {plan.inodes_needed} inodes, {volume.f_favail} are free"
            raise VolumeFull(f"cannot stage {revision}: it {message} in {self.root}; make the volume larger")

    def unsettle(self) -> None:
        """Say that the current revision may be taken back: an unversioned bundle starts no task meanwhile."""
        try:
            self._unsettled.touch()
        except OSError as error:
            raise StoreError(f"cannot write {self._unsettled}: {error.strerror}") from error

    def settle(self) -> None:
        self._unsettled.unlink(missing_ok=True)

    def flip(self, revision: str) -> None:
        """Point ``current`` at a staged revision in one atomic step. Raises StoreError."""
        if not self.has(revision):
            raise StoreError(f"{revision} is not staged below {self.root}")
        former = self.current()
        following = self._scratch("current")
        try:
            # Relative, so that the link also resolves where the volume is mounted elsewhere.
            following.symlink_to(Path("revisions") / revision)
            following.replace(self.link)
            # Not when the link was made: a reader may have followed the old one after that.
            os.utime(self.link, follow_symlinks=False, ns=(now := time.time_ns(), now))
        except OSError as error:
            raise StoreError(f"cannot move {self.link} to {revision}: {error.strerror}") from error
        try:
            self._note_use(former, revision)
        except OSError as error:
            # Readers have the new tree all the same; Airflow parses it in its next round.
            log.warning("untouched", extra={"revision": revision, "error": error.strerror})

    def _note_use(self, former: str | None, revision: str) -> None:
        """Give what readers must parse again a time that is later than any parse of the former tree."""
        tree = self.revisions / revision
        if former is not None and former != revision:
            build.freshen(self.revisions / former, tree, self._scratch("fresh"))
            os.utime(self.revisions / former)
        os.utime(tree)

    def remove_except(self, kept: Collection[str], *, older_than: float, newest: int = 0) -> list[str]:
        """Remove revisions that are neither ``kept``, nor current, nor used in the last ``older_than`` seconds.

        The ``newest`` that were staged or current last stay, too.
        """
        # A tree that a late retry asked for a moment ago is not yet among what the controller knows to be in use.
        youngest = time.time() - older_than
        spared = {*kept, *self._by_use()[:newest], self.current()}
        spare = self.staged() - spared
        old = sorted(name for name in spare if (self.revisions / name).stat().st_mtime < youngest)
        for name in old:
            self._remove(name)
        return old

    def _remove(self, revision: str) -> None:
        tree, doomed = self.revisions / revision, self._scratch("removed")
        try:
            tree.chmod(build.WRITABLE)  # or it could not be moved
            # Renamed first: a half-removed tree must never look like a revision.
            tree.rename(doomed)
            build.remove(doomed)
        except OSError as error:
            raise StoreError(f"cannot remove {tree}: {error.strerror}; check the volume's owner") from error

    def _by_use(self) -> list[str]:
        """All revisions, the one that was staged or current last first."""
        return sorted(self.staged(), key=lambda name: (self.revisions / name).stat().st_mtime_ns, reverse=True)

    def _scratch(self, purpose: str) -> Path:
        """A path that nothing has; what a crash leaves there is cleared at the next start."""
        return self._incoming / f"{purpose}.{os.urandom(6).hex()}"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
