"""One sync: fetches the ref, and publishes its commit below the root."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitsync.checks import trees
from gitsync.checks.signatures import verify
from gitsync.errors import GitSyncError, StoreError
from gitsync.git import trust
from gitsync.git.clone import Tidying
from gitsync.git.mirror import Mirror
from gitsync.standalone import link, opened
from gitsync.trees.repair import confirm, repair
from gitsync.trees.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitsync.access.credentials import Credentials
    from gitsync.git.clone import Clone
    from gitsync.git.remote import Remote
    from gitsync.standalone.options import Options

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Synced:
    """The result of a sync."""

    revision: str
    changed: bool
    """Whether the published revision, or the place of a link, has changed."""


class Sync:
    """Syncs one repository and ref to one root."""

    def __init__(self, options: Options, credentials: Credentials, gate: Callable[[str, Path], None]) -> None:
        self._options = options
        self._credentials = credentials
        self._gate = gate
        self.store = Store(options.root, sharing=not options.hooks_write)
        self._mirror = Mirror(options.root / ".repository", timeout=options.sync_timeout, clone=self._fetched())
        self._trusted = options.root / ".gitconfig"
        self._prepared = self._verified = self._untidy = False

    def __call__(self) -> Synced:
        """Publish the ref's current commit. Raises GitSyncError; the current tree then stays."""
        try:
            self._prepare()
            return self._sync()
        except Exception:
            self._prepared = False  # the next sync checks the volume again
            raise

    def _prepare(self) -> None:
        if not self._prepared:
            self.store.prepare()
            trust.write(self._trusted, self._options.trusted)
            self._mirror.prepare()
            repair(self.store, self._mirror, always=not self._verified)
            self._verified = True
            self._prepared = True

    def _sync(self) -> Synced:
        options, mirror, store = self._options, self._mirror, self.store
        mirror.until(time.monotonic() + options.sync_timeout)
        revision = mirror.fetch(self._remote(options.repo), options.ref)
        if store.doubtful(revision):
            mirror.export(revision, options.repo, self._remote)
            confirm(store, revision, mirror)
        changed = store.current() != revision
        if changed:
            self._admit(revision)
            store.stage(revision, mirror)
            self._open(revision)
            self._gate(revision, store.revisions / revision)
            self._flip(revision)
        self._open(revision)  # also after a restart, which closes all trees
        changed = self._place_link(store.revisions / revision) or changed
        self._untidy = self._untidy or changed
        return Synced(revision, changed)

    def tidy(self) -> None:
        """Remove what nobody needs any more. It may take long, and its errors are only logged."""
        try:
            self._collect(changed=self._remove_old() or self._untidy)
        except GitSyncError as error:
            log.warning("unremoved", extra={"error": str(error)})
            self._prepared = False  # the next sync checks the volume again
        self._untidy = False

    def _admit(self, revision: str) -> None:
        """Export the tree of ``revision``. Raises Refused if the revision breaks a rule."""
        options, mirror = self._options, self._mirror
        verify(mirror, revision, options.ref, options.signatures)
        mirror.export(revision, options.repo, self._remote)
        mirror.require_directory(revision, options.subdirectory)
        if options.tree is not None:
            trees.require(options.tree, revision, mirror.files(revision), mirror.read)

    def _remote(self, url: str) -> Remote:
        return trust.trusting(self._credentials.remote(url, main=self._options.repo), self._trusted)

    def _open(self, revision: str) -> None:
        if self._options.hooks_write:
            opened.make_writable(self.store.revisions / revision, group=self._options.group_write)

    def _flip(self, revision: str) -> None:
        former = self.store.current()
        self.store.flip(revision)
        log.info("published", extra={"revision": revision, "former": former})

    def _place_link(self, tree: Path) -> bool:
        """Point ``--link`` at ``tree``. Gives whether the link has changed."""
        place = self._options.below_root(self._options.link)
        if not self._options.link or place == self.store.link or link.points_at(place, tree):
            return False
        link.point(place, tree)
        return True

    def _remove_old(self) -> bool:
        """Remove trees older than ``--stale-worktree-timeout``, also from the repository. Gives whether any was."""
        removed = self.store.remove_except((), older_than=self._options.stale_worktree_timeout)
        if removed:
            try:
                self._mirror.forget(self._mirror.revisions() - self.store.staged())
            except StoreError as error:
                log.warning("unremoved", extra={"error": str(error)})
        return bool(removed)

    def _fetched(self) -> Clone:
        # Not tidied while readers wait for a publication: `tidy` does it afterwards.
        return replace(self._options.clone(), gc=Tidying.OFF)

    def _collect(self, *, changed: bool) -> None:
        """Collect garbage in the repository. It goes at once, because no other process reads the repository."""
        if changed:
            self._mirror.until(time.monotonic() + self._options.sync_timeout)
            self._mirror.collect(self._options.git_gc, expire="now")
