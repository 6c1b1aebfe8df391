"""Trees on disk: one immutable directory per revision, and the link that says which one is current.

    <root>/current            relative symbolic link, replaced by one atomic rename
    <root>/revisions/<sha>/   one whole commit

Everything else below ``root`` is private to gitsync.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.errors import StoreError
from gitsync.git.command import REVISION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class Store:
    """The trees below ``root``. Written by one process, read by many."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.link = root / "current"
        self.revisions = root / "revisions"
        self._incoming = root / ".incoming"
        self._unsettled = root / ".unsettled"

    def prepare(self) -> None:
        """Make the directories, and clear what a crash at any earlier step may have left."""
        try:
            shutil.rmtree(self._incoming, ignore_errors=True)
            for directory in (self.revisions, self._incoming):
                directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot write below {self.root}: {error.strerror}; check the volume's owner and free space"
            raise StoreError(message) from error

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

    def stage(self, revision: str, write: Callable[[str, Path], None]) -> Path:
        """Have ``write(revision, directory)`` fill a directory beside the others, then give it its name."""
        tree = self.revisions / revision
        if self.has(revision):
            return tree
        try:
            incoming = Path(tempfile.mkdtemp(prefix=f"{revision[:12]}.", dir=self._incoming))
            incoming.chmod(0o755)  # mkdtemp's 0700 would lock Airflow out
            write(revision, incoming)
            incoming.rename(tree)
        except OSError as error:
            message = f"cannot stage {revision}: {error.strerror}; check the space and owner of {self.root}"
            raise StoreError(message) from error
        return tree

    def unsettle(self) -> None:
        """Say that the current revision may be taken back: an unversioned bundle starts no task meanwhile."""
        try:
            self._unsettled.touch()
        except OSError as error:
            raise StoreError(f"cannot write {self._unsettled}: {error.strerror}") from error

    def settle(self) -> None:
        self._unsettled.unlink(missing_ok=True)

    def flip(self, revision: str) -> None:
        """Point ``current`` at a staged revision in one atomic step."""
        if not self.has(revision):
            raise StoreError(f"{revision} is not staged below {self.root}")
        # Relative, so that the link also resolves where the volume is mounted elsewhere.
        following = self._incoming / "current"
        try:
            following.unlink(missing_ok=True)
            following.symlink_to(Path("revisions") / revision)
            following.replace(self.link)
            # Not when the link was made: a reader may have followed the old one after that.
            os.utime(self.link, follow_symlinks=False, ns=(now := time.time_ns(), now))
        except OSError as error:
            raise StoreError(f"cannot move {self.link} to {revision}: {error.strerror}") from error

    def remove_except(self, kept: Collection[str], *, older_than: float) -> list[str]:
        """Remove revisions that are neither ``kept``, nor current, nor staged in the last ``older_than`` seconds."""
        # A tree that a late retry asked for a moment ago is not yet among what the controller knows to be in use.
        newest = time.time() - older_than
        spare = self.staged() - set(kept) - {self.current()}
        old = sorted(name for name in spare if (self.revisions / name).stat().st_ctime < newest)
        for name in old:
            # Renamed first: a half-removed tree must never look like a revision.
            doomed = Path(tempfile.mkdtemp(prefix="removed.", dir=self._incoming))
            (self.revisions / name).rename(doomed / name)
            shutil.rmtree(doomed, ignore_errors=True)
        return old
