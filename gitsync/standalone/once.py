"""`gitsync once`: straight from Git to a directory, without a cluster, a database or a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitsync.git.clone import Clone
from gitsync.git.mirror import Mirror
from gitsync.trees.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.git.credentials import Credentials


def once(repo: str, ref: str, root: Path, *, credentials: Credentials, subdirectory: str, timeout: float) -> str:
    """Publish what ``ref`` is now below ``root`` and return its revision; on any error the current tree stays."""
    store, mirror = Store(root), Mirror(root / ".repository", timeout=timeout, clone=Clone(depth=1))
    store.prepare()
    mirror.prepare()
    revision = mirror.fetch(credentials.remote(repo), ref)
    mirror.export(revision, repo, credentials.remote)
    mirror.require_directory(revision, subdirectory)
    store.stage(revision, mirror.write_files)
    store.flip(revision)
    return revision
