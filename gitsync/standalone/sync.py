"""One sync: from what the ref is now to what readers see."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gitsync.git.mirror import Mirror
from gitsync.standalone import link
from gitsync.trees.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitsync.git.credentials import Credentials
    from gitsync.standalone.options import Options

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Synced:
    revision: str
    changed: bool
    """Whether readers see something else than before."""


class Sync:
    """One repository and ref, published below one root."""

    def __init__(self, options: Options, credentials: Credentials, gate: Callable[[str, Path], None]) -> None:
        self._options = options
        self._credentials = credentials
        self._gate = gate
        self.store = Store(options.root)
        self._mirror = Mirror(options.root / ".repository", timeout=options.sync_timeout, clone=options.clone())
        self._prepared = False

    def __call__(self) -> Synced:
        """Publish what the ref is now. Raises GitSyncError; the current tree then stays."""
        try:
            self._prepare()
            return self._sync()
        except Exception:
            self._prepared = False  # the next one looks at everything again
            raise

    def _prepare(self) -> None:
        if not self._prepared:
            self.store.prepare()
            self._mirror.prepare()
            self._prepared = True

    def _sync(self) -> Synced:
        options, mirror, store = self._options, self._mirror, self.store
        mirror.until(time.monotonic() + options.sync_timeout)
        revision = mirror.fetch(self._credentials.remote(options.repo, main=options.repo), options.ref)
        changed = store.current() != revision
        if changed:
            mirror.export(revision, options.repo, partial(self._credentials.remote, main=options.repo))
            mirror.require_directory(revision, options.subdirectory)
            store.stage(revision, mirror)
            self._gate(revision, store.revisions / revision)
            self._flip(revision)
        changed = self._place_link(store.revisions / revision) or changed
        self._remove_old()
        return Synced(revision, changed)

    def _flip(self, revision: str) -> None:
        former = self.store.current()
        self.store.flip(revision)
        log.info("published", extra={"revision": revision, "former": former})

    def _place_link(self, tree: Path) -> bool:
        """Have ``--link`` point at ``tree``; whether it did not before."""
        place = self._options.below_root(self._options.link)
        if not self._options.link or place == self.store.link or link.points_at(place, tree):
            return False
        link.point(place, tree)
        return True

    def _remove_old(self) -> None:
        """Remove the trees whose time is over, and what only they need of the repository."""
        if self.store.remove_except((), older_than=self._options.stale_worktree_timeout):
            self._mirror.forget(self._mirror.revisions() - self.store.staged())
