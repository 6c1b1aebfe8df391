"""One source's trees on one pod's volume."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from gitsync.git.mirror import Mirror
from gitsync.trees.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitsync.git.remote import Remote
    from gitsync.protocol import Directive

log = logging.getLogger(__name__)

KEEP_SECONDS = 3600.0
"""A tree younger than this is never removed: a run may have just asked for it."""


class Replica:
    """Two threads use it: the poll, and Airflow's questions."""

    def __init__(self, root: Path, remote: Callable[[], Remote]) -> None:
        self.store = Store(root)
        self._mirror = Mirror(root / ".repository")
        self._remote = remote
        self._writing = threading.Lock()

    def prepare(self) -> None:
        self.store.prepare()
        self._mirror.prepare()

    def stage(self, revision: str) -> None:
        """Have the tree of ``revision`` on the volume. Raises RemoteError or StoreError."""
        if self.store.has(revision):
            return
        with self._writing:
            if not self._mirror.exported(revision):
                self._mirror.take(self._remote(), revision)
            self.store.stage(revision, self._mirror.write_files)

    def follow(self, directive: Directive) -> None:
        """Have what ``directive`` says. Raises RemoteError or StoreError."""
        if directive.revision is not None:
            self.stage(directive.revision)
            if not directive.settled:
                self.store.unsettle()
            if self.store.current() != directive.revision:
                self.store.flip(directive.revision)
                log.info("flipped", extra={"revision": directive.revision, "epoch": directive.epoch})
            if directive.settled:
                self.store.settle()
        for revision in directive.stage:
            self.stage(revision)
        if directive.keep is not None:
            kept = {*directive.keep, *directive.stage}
            for revision in self.store.remove_except(kept, older_than=KEEP_SECONDS):
                log.info("removed", extra={"revision": revision})
