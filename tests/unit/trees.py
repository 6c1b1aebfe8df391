"""Revisions in memory, as a repository gives them to a store, and readers for a tree on disk."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from gitsync.trees.store import Store

OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40


class File(NamedTuple):
    text: str
    executable: bool = False
    target: str | None = None
    """Of a symbolic link."""

    @property
    def size(self) -> int:
        return len(self.text)


@dataclass
class Library:
    """What `Mirror` is to a store, without Git and without a network."""

    revisions: dict[str, Mapping[str, File]] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    """Paths that were written rather than linked."""

    def add(self, revision: str, **files: str) -> None:
        """``name=text``; ``__`` in a name is ``/`` and ``_py`` at its end is ``.py``."""
        paths = {name.replace("__", "/").replace("_py", ".py"): text for name, text in files.items()}
        self.revisions[revision] = {path: File(text) for path, text in paths.items()}

    def exported(self, revision: str) -> bool:
        return revision in self.revisions

    def files(self, revision: str) -> Mapping[str, File]:
        return self.revisions[revision]

    def paths(self, revision: str) -> Collection[str]:
        return list(self.revisions[revision])

    def size(self, revision: str, paths: Collection[str] | None = None) -> int:
        return sum(file.size for path, file in self.revisions[revision].items() if paths is None or path in paths)

    def changed(self, old: str, new: str) -> Collection[str]:
        before, after = self.revisions[old], self.revisions[new]
        return {path for path in {*before, *after} if before.get(path) != after.get(path)}

    def write_files(self, revision: str, directory: Path, paths: Collection[str] | None = None) -> None:
        files = self.revisions[revision]
        for path in files if paths is None else paths:
            place, file = directory / path, files[path]
            place.parent.mkdir(parents=True, exist_ok=True)
            self.written.append(path)
            if file.target is not None:
                place.symlink_to(file.target)
            else:
                place.write_text(file.text)
                place.chmod(0o755 if file.executable else 0o644)


class Node(NamedTuple):
    """Everything about a file that a reader, or another tree that shares it, could see change."""

    inode: int
    mode: str
    mtime: int
    content: str


def nodes(tree: Path) -> dict[str, Node]:
    """Every file and directory below ``tree``, by path."""
    found = {}
    for path in sorted(tree.rglob("*")):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else "" if path.is_dir() else path.read_text()
        found[str(path.relative_to(tree))] = Node(
            status.st_ino, stat.filemode(status.st_mode), status.st_mtime_ns, content
        )
    return found


def contents(tree: Path) -> dict[str, str]:
    """Every file's text or target, by path."""
    return {path: node.content for path, node in nodes(tree).items() if not node.mode.startswith("d")}


def staged(store: Store, library: Library, touched: Collection[str] | None = ()) -> tuple[Path, Path]:
    """The trees of OLD, which is current, and of NEW, made of it."""
    old = store.stage(OLD, library)
    store.flip(OLD)
    library.written.clear()
    return old, store.stage(NEW, library, touched=lambda _base: touched)
