"""Finds trees that a power failure, or somebody else, has damaged, and builds the current one again."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gitsync.errors import GitSyncError, StoreError
from gitsync.trees.store import Contents, Store
from gitsync.trees.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitsync.airflow.entries import Entry

log = logging.getLogger(__name__)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Listed(Contents, Protocol):
    """Contents whose sizes and ids are known."""

    def files(self, revision: str) -> Mapping[str, Entry]: ...


def repair(store: Store, contents: Listed, *, always: bool = False) -> None:
    """Compare all trees with Git, and remove damaged ones. If the current one is missing, build it. Raises StoreError.

    Only a power failure, or a change by others, can damage a tree. So trees are compared once in a boot of the node,
    unless ``always`` is set. A tree that Git does not have, or cannot list, stays until `confirm` can compare it.
    """
    boot, noted = _boot(), store.root / ".verified"
    if always or boot is None or _text(noted) != boot:
        verifier = Verifier()
        for revision in store.staged():
            _check(verifier, store, revision, contents)
    target = store.target()
    if target is not None and not store.has(target) and contents.exported(target):
        log.warning("tree.rebuilt", extra={"revision": target})
        store.stage(target, contents)
    with suppress(OSError):  # then the next start compares again
        noted.write_text("" if boot is None or any(map(store.doubtful, store.staged())) else boot)


def confirm(store: Store, revision: str, contents: Listed) -> None:
    """Before a tree is used that `repair` could not compare, or that has appeared since: compare it, or remove it.

    Git must have it now. Raises StoreError if the tree is still not to be trusted.
    """
    if store.doubtful(revision):
        if store.sharing:
            _check(Verifier(), store, revision, contents)
        else:  # it cannot be told from a tree in which a hook has written
            store.drop(revision)
        if store.doubtful(revision):
            message = f"{store.revisions / revision} may be damaged, and can be neither compared nor removed"
            raise StoreError(f"{message}; remove it")


def _check(verifier: Verifier, store: Store, revision: str, contents: Listed) -> None:
    """Compare one tree, and remove it if it is damaged. It counts as unverified if one of these does not work."""
    store.known.discard(revision)
    try:
        why = _damage(verifier, store, revision, contents)
    except GitSyncError as error:
        log.warning("tree.unverified", extra={"revision": revision, "why": str(error)})
        return
    if why is not None:
        log.warning("tree.damaged", extra={"revision": revision, "why": why})
        store.drop(revision)
    else:
        store.known.add(revision)


def _damage(verifier: Verifier, store: Store, revision: str, contents: Listed) -> str | None:
    tree = store.revisions / revision
    if not store.sharing:  # others may have written in it, but a tree without any file is none
        return None if tree.is_dir() and any(tree.iterdir()) else "is empty"
    if not contents.exported(revision):
        raise StoreError("the repository does not have it")
    return verifier.damage(tree, contents.files(revision))


def _boot() -> str | None:
    """The id of this boot of the node, or None if the kernel does not tell it."""
    return _text(_BOOT_ID)


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None
