"""Revisions of a repository in memory, as mappings of paths to contents."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import TYPE_CHECKING

from gitsync.airflow.entries import FILE, SYMLINK, Entry
from gitsync.impact.side import Discovery
from gitsync.impact.snapshot import Snapshot
from gitsync.impact.touched import Touched, touched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitsync.airflow.trace import Trace
    from gitsync.impact.cache import FactCache

Content = str | bytes
DAG = "from airflow.sdk import DAG\n"
OTHER = {"other.py": DAG}
"""A DAG file that nothing is to touch."""


class Link(str):
    """The content of a symbolic link."""

    __slots__ = ()


def snapshot(files: Mapping[str, Content], subdirectory: str = "") -> Snapshot:
    contents = {path: given if isinstance(given, bytes) else given.encode() for path, given in files.items()}
    blobs = {hashlib.sha1(content, usedforsecurity=False).hexdigest(): content for content in contents.values()}
    entries = {
        path: Entry(
            SYMLINK if isinstance(files[path], Link) else FILE,
            hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            len(content),
        )
        for path, content in contents.items()
    }
    return Snapshot(entries, subdirectory, lambda asked: {blob: blobs[blob] for blob in asked})


def difference(old: Snapshot, new: Snapshot) -> frozenset[str]:
    """What `git diff-tree --name-only --no-renames` says."""
    return frozenset(path for path in {*old.files, *new.files} if old.files.get(path) != new.files.get(path))


def compare(
    cache: FactCache,
    old: Mapping[str, Content],
    changes: Mapping[str, Content | None],
    subdirectory: str = "",
    discovery: Discovery | None = None,
    traces: Mapping[str, Trace] | None = None,
) -> Touched:
    """What ``changes`` to ``old`` touch; None deletes a file. ``traces``: what the gate saw."""
    new = {path: content for path, content in {**old, **changes}.items() if content is not None}
    trees = snapshot(old, subdirectory), snapshot(new, subdirectory)
    return touched(*trees, difference(*trees), cache, discovery or Discovery(), traces=traces or {})


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()
