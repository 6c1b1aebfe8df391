"""One source's trees on one pod's volume."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from gitsync.errors import RemoteError, StoreError, VolumeFull
from gitsync.git.mirror import Mirror
from gitsync.trees.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gitsync.git.remote import Remote
    from gitsync.protocol import Directive

log = logging.getLogger(__name__)

KEEP_SECONDS = 3600.0
"""A tree that was used since is never removed: a run may have just asked for it."""
NEWEST = 3
"""Trees that stay although no run needs them."""


class Replica:
    """Two threads use it: the poll, and Airflow's questions."""

    def __init__(
        self,
        root: Path,
        remote: Callable[[], Remote],
        touched: Callable[[str, str], Collection[str] | None] = lambda _revision, _since: (),
        recall: Callable[[str], bool] = lambda _revision: False,
        *,
        newest: int = NEWEST,
    ) -> None:
        """``touched``: which unchanged files of a revision to parse again when it follows another; None: all.

        ``recall``: has the remote bring back a revision that it has no more; whether it did.
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

    def stage(self, revision: str) -> None:
        """Have the tree of ``revision`` on the volume. Raises RemoteError or StoreError."""
        if self.store.has(revision):
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
                # When our repository is damaged this finds it out, and makes another one.
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
        self.store.stage(revision, self._mirror, touched=lambda base: self._touched_since(base, revision))

    def _touched_since(self, base: str, revision: str) -> Collection[str] | None:
        try:
            return self._touched(revision, base)
        except RemoteError as error:
            # Costs time only: what imports a changed file is parsed in Airflow's next round.
            if str(error) != self._trouble:
                log.warning("touched.unknown", extra={"revision": revision, "error": str(error)})
            self._trouble = str(error)
            return ()

    def follow(self, directive: Directive) -> None:
        """Have what ``directive`` says. Raises RemoteError or StoreError."""
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
        """Have ``revision`` current. Raises RemoteError or StoreError."""
        self.stage(revision)
        if self.store.current() != revision:
            self.store.flip(revision)
            log.info("flipped", extra={"revision": revision, **noted})

    def _remove_except(self, kept: Collection[str]) -> None:
        # A tree that is being built may be linking from one that would go; the next directive is soon enough.
        if not self._writing.acquire(blocking=False):
            return
        try:
            removed = self.store.remove_except(kept, older_than=KEEP_SECONDS, newest=self._newest)
            if removed:
                self._mirror.forget(removed)
                log.info("removed", extra={"revisions": removed})
        finally:
            self._writing.release()
