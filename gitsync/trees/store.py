"""The trees below one root: an immutable directory for each revision, and the link to the current one.

    <root>/current            relative symbolic link, replaced by one atomic rename
    <root>/revisions/<sha>/   one whole commit, read-only

Everything else below ``root`` is private to gitsync. Trees share common files as hard links. So gitsync never writes to
a file of a tree, and never changes the mode or time of a shared one.
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
from gitsync.revision import REVISION
from gitsync.trees import build
from gitsync.trees.known import Known

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

RESERVE = 16 * 2**20
"""Bytes that staging leaves free. Git needs some to fetch a later, smaller commit."""


class Contents(Protocol):
    """The source of a revision's files; ``gitsync.git.mirror.Mirror`` has these methods."""

    def exported(self, revision: str) -> bool: ...

    def paths(self, revision: str) -> Collection[str]: ...

    def size(self, revision: str, paths: Collection[str] | None = None) -> int: ...

    def changed(self, old: str, new: str) -> Collection[str]: ...

    def write_files(self, revision: str, directory: Path, paths: Collection[str] | None = None) -> None: ...


Touched = Callable[[str], Collection[str] | None]
"""Gives the files that Airflow must parse again although they did not change, compared with a base revision.

None: all DAG files.
"""


class Store:
    """The trees below ``root``. One process writes them, many read them."""

    def __init__(self, root: Path, *, sharing: bool = True) -> None:
        """``sharing``: trees share unchanged files. Otherwise each has its own, so that others may write in them."""
        self.root = root
        self.sharing = sharing
        self.link = root / "current"
        self.revisions = root / "revisions"
        self._incoming = root / ".incoming"
        self._unsettled = root / ".unsettled"
        self.limit: int | None = None
        """Bytes that everything below the root may take; None: as much as the volume has. An ``emptyDir`` with a
        ``sizeLimit`` has all of the node's disk, and the pod is evicted when it takes more."""
        self.unremoved = 0
        """The number of times that housekeeping has failed in this process."""
        self.known = Known(self.revisions)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keep every other writer out. The kernel releases the lock if this process dies. Raises StoreError."""
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
        """Make the directories, and remove leftovers of a crash. Raises StoreError."""
        try:
            for directory in (self.revisions, self._incoming):
                directory.mkdir(parents=True, exist_ok=True)
            leftovers = list(self._incoming.iterdir())
        except OSError as error:
            raise self._unwritable(error) from error
        for left in leftovers:
            with self._housekeeping(left):
                build.remove(left)
        self.known.begin(self.staged())
        for revision in self.staged():
            with self._housekeeping(self.revisions / revision):
                build.close(self.revisions / revision)

    @contextmanager
    def _housekeeping(self, path: Path) -> Iterator[None]:
        """Log an error and go on: one old file that cannot be removed must not keep new revisions out."""
        try:
            yield
        except OSError as error:
            self.unremoved += 1
            log.warning("unremoved", extra={"path": str(error.filename or path), "error": error.strerror})

    def target(self) -> str | None:
        """The revision to which the link leads, also if its tree is missing."""
        try:
            name = self.link.readlink().name
        except OSError:
            return None
        return name if REVISION.fullmatch(name) else None

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(f"cannot write below {self.root}: {error.strerror}; check the volume's owner and free space")

    def current(self) -> str | None:
        """The revision to which the link leads; None before the first publication."""
        name = self.target()
        return name if name is not None and self.has(name) else None

    def flipped_at(self) -> float | None:
        """The time of the last flip, in seconds since 1970. It is never earlier than the flip itself."""
        try:
            return self.link.lstat().st_mtime
        except OSError:
            return None

    def has(self, revision: str) -> bool:
        return REVISION.fullmatch(revision) is not None and self.known.inode(revision) is not None

    def usable(self, revision: str) -> bool:
        """Whether the tree is there, and not one that may be damaged."""
        return REVISION.fullmatch(revision) is not None and self.known.has(revision)

    def doubtful(self, revision: str) -> bool:
        """Whether the tree is there, but nothing has compared it with Git; `repair.confirm` does."""
        return self.has(revision) and not self.known.has(revision)

    def staged(self) -> frozenset[str]:
        return frozenset(name for path in self.revisions.iterdir() if self.has(name := path.name))

    def stage(
        self, revision: str, contents: Contents, *, near: str | None = None, touched: Touched = lambda _base: ()
    ) -> Path:
        """Build the tree of ``revision`` unless it is usable, and return its directory. Raises StoreError.

        Files that it has in common with ``near``, or else with the current tree, become hard links. After an error
        nothing of the tree is left.
        """
        tree = self.revisions / revision
        try:
            if not self.usable(revision):
                if os.path.lexists(tree):  # somebody else's
                    self.remove(revision)
                self._build(tree, contents, self._base(near, contents), touched)
            os.utime(tree)  # marks it as used now, so that it is not removed soon
        except OSError as error:
            message = f"cannot stage {revision}: {error.strerror}; check the space and owner of {self.root}"
            raise StoreError(message) from error
        return tree

    def _base(self, near: str | None, contents: Contents) -> str | None:
        """The revision to link files from: ``near``, the current one, or the one used last."""
        wanted = (near, self.current(), *self._by_use()) if self.sharing else ()
        return next((name for name in wanted if name and self.usable(name) and contents.exported(name)), None)

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
            # Last, because a read-only directory cannot be moved.
            build.close(tree)
            self.known.add(tree.name)
        finally:
            build.remove(incoming)

    def _make_sure_of_space(self, revision: str, plan: build.Plan, sizes: int) -> None:
        volume = os.statvfs(self.root)
        free = volume.f_bavail * volume.f_frsize
        if self.limit is not None:
            free = min(free, max(self.limit - build.used(self.root), 0))
        needed = plan.bytes_needed(sizes, volume.f_frsize)
        if needed + RESERVE > free:
            message = f"needs {_mebibytes(needed)} and a reserve of {_mebibytes(RESERVE)}, {_mebibytes(free)} are free"
            cure = "make the volume larger" + ("" if self.limit is None else ", or raise GITSYNC_VOLUME_LIMIT")
            raise VolumeFull(f"cannot stage {revision}: it {message} in {self.root}; {cure}")
        if volume.f_files and plan.inodes_needed > volume.f_favail:
            message = f"needs {plan.inodes_needed} inodes, {volume.f_favail} are free"
            raise VolumeFull(f"cannot stage {revision}: it {message} in {self.root}; make the volume larger")

    def unsettle(self) -> None:
        """Mark the publication as unsettled: a bundle without versions then starts no task."""
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
            # The link's own time is that of its creation. A reader may have followed the old link after that.
            os.utime(self.link, follow_symlinks=False, ns=(now := time.time_ns(), now))
        except OSError as error:
            raise StoreError(f"cannot move {self.link} to {revision}: {error.strerror}") from error
        try:
            self._note_use(former, revision)
        except OSError as error:
            # No harm: the flip has happened, and Airflow parses the files in its next round.
            log.warning("untouched", extra={"revision": revision, "error": error.strerror})

    def _note_use(self, former: str | None, revision: str) -> None:
        """Give touched files a time that is later than any parse of the old tree, so that Airflow parses them again."""
        tree = self.revisions / revision
        if former is not None and former != revision:
            build.freshen(self.revisions / former, tree, self._scratch("fresh"))
            os.utime(self.revisions / former)
        os.utime(tree)

    def remove_except(self, kept: Collection[str], *, older_than: float, newest: int = 0) -> list[str]:
        """Remove trees, and return their revisions. A tree that cannot be removed is tried again the next time.

        These stay: ``kept``, the current one, those used in the last ``older_than`` seconds, and the ``newest`` ones.
        """
        # The controller may not know yet that a late retry needs a tree, so recently used trees stay.
        youngest, old = time.time() - older_than, []
        with self._housekeeping(self.revisions):
            spared = {*kept, *self._by_use()[:newest], self.current()}
            spare = self.staged() - spared
            old = sorted(name for name in spare if (self.revisions / name).stat().st_mtime < youngest)
        return [name for name in old if self.drop(name)]

    def drop(self, revision: str) -> bool:
        """Remove a tree if that is possible. Gives whether it is gone."""
        try:
            self.remove(revision)
        except StoreError as error:
            self.unremoved += 1
            log.warning("unremoved", extra={"revision": revision, "error": str(error)})
        return not self.has(revision)

    def remove(self, revision: str) -> None:
        """Remove a tree. Raises StoreError."""
        tree, doomed = self.revisions / revision, self._scratch("removed")
        try:
            if not tree.is_symlink():
                build.open_up(tree)  # a read-only directory cannot be moved
            # Moved away first, so that a tree that is half removed never looks like a revision.
            tree.rename(doomed)
            self.known.discard(revision)
            build.remove(doomed)
        except OSError as error:
            raise StoreError(f"cannot remove {tree}: {error.strerror}; check the volume's owner") from error

    def _by_use(self) -> list[str]:
        """All staged revisions, the one used last first."""
        return sorted(self.staged(), key=lambda name: (self.revisions / name).stat().st_mtime_ns, reverse=True)

    def _scratch(self, purpose: str) -> Path:
        """A new path for temporary use. `prepare` removes leftovers."""
        return self._incoming / f"{purpose}.{os.urandom(6).hex()}"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
