"""The trees of one source on one pod's volume, and the repository from which they are made."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError, RemoteError, StoreError, VolumeFull
from gitsync.git.mirror import Mirror
from gitsync.trees.repair import confirm, repair
from gitsync.trees.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gitsync.git.remote import Remote
    from gitsync.protocol import Directive

log = logging.getLogger(__name__)

KEEP_SECONDS = 3600.0
"""Trees that were used in this time stay. A run may have asked for one a moment ago."""
NEWEST = 3
"""Number of trees to keep that no run needs."""


class Replica:
    """Stages, flips and removes trees. Two threads use it: the follower's, and the pod server's."""

    def __init__(
        self,
        root: Path,
        remote: Callable[[], Remote],
        touched: Callable[[str, str], Collection[str] | None] = lambda _revision, _since: (),
        recall: Callable[[str], bool] = lambda _revision: False,
        *,
        newest: int = NEWEST,
    ) -> None:
        """``remote`` gives the controller's repository. ``newest`` is the number of trees to keep that no run needs.

        ``touched`` gives the files that Airflow must parse again if a revision follows another; None: all DAG files.
        ``recall`` asks the controller to bring back a revision that it has removed, and says whether it did.
        """
        self.store = Store(root)
        self._mirror = Mirror(root / ".repository")
        self._remote = remote
        self._touched = touched
        self._recall = recall
        self._newest = newest
        self._writing = threading.Lock()
        self._trouble: str | None = None

    def owned(self) -> AbstractContextManager[None]:
        """Keep every other writer out of the volume. Raises StoreError."""
        return self.store.owned()

    def prepare(self) -> None:
        self.store.prepare()
        self._mirror.prepare()
        repair(self.store, self._mirror)

    def stage(self, revision: str) -> None:
        """Put the tree of ``revision`` on the volume, unless it is there. Raises RemoteError or StoreError."""
        if self.store.usable(revision):
            return
        with self._writing:
            if not self._mirror.exported(revision):
                self._take(revision)
            try:
                self._build(revision)
            except VolumeFull:
                raise
            except StoreError as error:
                log.warning("restaging", extra={"revision": revision, "error": str(error)})
                # If the repository is damaged, the fetch notices that, and makes a new one.
                self._take(revision)
                self._build(revision)

    def _take(self, revision: str) -> None:
        try:
            self._mirror.take(self._remote(), revision)
        except RemoteError as error:
            if error.reason != "RefNotFound" or not self._recall(revision):
                raise
            self._mirror.take(self._remote(), revision)

    def _build(self, revision: str) -> None:
        confirm(self.store, revision, self._mirror)
        self.store.stage(revision, self._mirror, touched=lambda base: self._touched_since(base, revision))

    def _touched_since(self, base: str, revision: str) -> Collection[str] | None:
        try:
            return self._touched(revision, base)
        except RemoteError as error:
            # No harm: Airflow then parses importers of a changed file later, in its next round.
            if str(error) != self._trouble:
                log.warning("touched.unknown", extra={"revision": revision, "error": str(error)})
            self._trouble = str(error)
            return ()

    def follow(self, directive: Directive) -> None:
        """Carry out ``directive``. Raises RemoteError or StoreError."""
        if directive.revision is not None:
            self.stage(directive.revision)
            if not directive.settled:
                self.store.unsettle()
            self.flip(directive.revision, epoch=directive.epoch)
            if directive.settled:
                self.store.settle()
        for revision in directive.stage:
            self.stage(revision)
        if directive.keep is not None:
            self._remove_except({*directive.keep, *directive.stage})

    def flip(self, revision: str, **noted: object) -> None:
        """Make ``revision`` the current tree. ``noted`` goes into the log line. Raises RemoteError or StoreError."""
        self.stage(revision)
        if self.store.current() != revision:
            self.store.flip(revision)
            log.info("flipped", extra={"revision": revision, **noted})

    def _remove_except(self, kept: Collection[str]) -> None:
        # A tree under construction may link files of a tree that would be removed. The next directive removes it.
        if not self._writing.acquire(blocking=False):
            return
        try:
            removed = self.store.remove_except(kept, older_than=KEEP_SECONDS, newest=self._newest)
            if removed:
                log.info("removed", extra={"revisions": removed})
                self._mirror.forget(removed)
        except GitSyncError as error:
            # The directive has been carried out. The next one removes it.
            log.warning("unremoved", extra={"error": str(error)})
        finally:
            self._writing.release()
