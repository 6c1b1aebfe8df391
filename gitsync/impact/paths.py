"""All paths of two revisions, and those that a text or the name of a module can mean."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from gitsync.impact.names import slots
from gitsync.impact.rules import UNREAD
from gitsync.impact.snapshot import directories

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from gitsync.impact.names import Roots

TREE = "\5"
"""Begins a path in the tree. A text without it may be the end of a path anywhere."""
_WILD = re.compile(r"\*+/?|\?|\[[^\]/]*\]|\0")
_LOST = re.compile(r"[\0*?\]]/\.\.(/|$)")
"""The parent of a directory that is unknown."""
_STORES = ("http://", "https://", "gs://", "s3://", "s3a://", "abfs://", "wasb://")


class Meant(NamedTuple):
    """The paths that one text can mean."""

    files: frozenset[str] = frozenset()
    """Files that it names."""
    below: frozenset[str] = frozenset()
    """Files below directories that it names."""
    beside: frozenset[str] = frozenset()
    """Files in directories that it names, where it does not tell the file's name."""


NOTHING = Meant()


@dataclass
class Paths:
    """The paths, sorted; directories that only one revision has end with a slash."""

    all: Sequence[str]
    folder: str
    """The DAG folder, with a slash at its end; empty for the repository's root."""
    roots: Roots

    def __post_init__(self) -> None:
        self._like: dict[str, list[str]] = {}
        self._meant: dict[str, Meant] = {}
        self._below: dict[str, Sequence[str]] = {}
        self._matching: dict[tuple[str, str, bool], frozenset[str]] = {}
        self._called: dict[frozenset[str], dict[str, set[str]]] = {}

    @classmethod
    def of(cls, files: Iterable[str], folder: str, roots: Roots) -> Paths:
        """Sort the paths."""
        return cls(sorted(files), folder, roots)

    @cached_property
    def _readable(self) -> list[str]:
        return [path for path in self.all if not path.endswith("/") and path not in UNREAD]

    @cached_property
    def directories(self) -> frozenset[str]:
        """All directories, without a slash."""
        return frozenset(directories(self.all))

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _by_last(path for path in self.all if not path.endswith("/"))

    @cached_property
    def _directories_by_name(self) -> dict[str, list[str]]:
        return _by_last(self.directories)

    @cached_property
    def places(self) -> dict[str, list[str]]:
        """The paths of modules by their places: ``a/b`` for ``a/b.py`` and for ``a/b/__init__.py``."""
        found: dict[str, list[str]] = defaultdict(list)
        for path in self.all:
            for place in slots(path):
                found[place].append(path)
        return found

    @cached_property
    def modules(self) -> dict[str, list[str]]:
        """The paths of modules by the dotted names by which they can be imported."""
        found: dict[str, list[str]] = defaultdict(list)
        for place, paths in self.places.items():
            for name in self.roots.names(place):
                found[name].extend(paths)
        return found

    @cached_property
    def _members(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for place, paths in self.places.items():
            found[place.rpartition("/")[0]].extend(paths)
        return found

    def members(self, package: str) -> list[str]:
        """The modules in a package's directory."""
        return self._members.get(package, [])

    def below(self, directory: str) -> Sequence[str]:
        """All files below a directory that may be read without being named."""
        if directory not in self._below:
            self._below[directory] = _below(self._readable, directory)
        return self._below[directory]

    def in_folder(self) -> Sequence[str]:
        """All files of the DAG folder that may be read without being named."""
        return self.below(self.folder.rstrip("/"))

    def package(self, path: str) -> Sequence[str]:
        """All files of the outermost package that a file is in; none if it is in no package."""
        folder, found = path.rpartition("/")[0], ""
        while folder and f"{folder}/__init__.py" in self._files:
            folder, found = folder.rpartition("/")[0], folder
        return self.below(found) if found else ()

    def meant(self, text: str) -> Meant:
        """The paths that a text without placeholders can mean."""
        if text not in self._meant:
            self._meant[text] = self._in_tree(text[1:]) if text.startswith(TREE) else self._anywhere(text)
        return self._meant[text]

    def _in_tree(self, path: str) -> Meant:
        if _LOST.search(path):
            return Meant(beside=frozenset(self._readable))
        path = posixpath.normpath(path) if path else "."
        if not _WILD.search(path):
            if path in self._files:
                return Meant(files=frozenset([path]))
            inside = "" if path == "." else path
            return Meant(below=frozenset(self.below(inside))) if not inside or inside in self.directories else NOTHING
        head = _WILD.split(path, maxsplit=1)[0].rpartition("/")[0]
        start = self.below(head)
        if not _known(path.rpartition("/")[2]):
            return Meant(beside=frozenset(start))
        named = frozenset(one for one in _below(self.all, head) if _fits(path, one) and not one.endswith("/"))
        return Meant(named) if named else Meant(below=frozenset(one for one in start if _fits(f"{path}/*", one)))

    @cached_property
    def _files(self) -> frozenset[str]:
        return frozenset(self.all)

    def _anywhere(self, text: str) -> Meant:
        if text.startswith(_STORES):
            return NOTHING
        parts = [part for part in text.removeprefix("file:").split("/") if part not in ("", ".", "..")]
        if not parts or not any(_known(part) for part in parts):
            return NOTHING
        if not _known(parts[-1]):
            near = self._directories(parts[:-1]) if _known(parts[-2]) else ()
            return Meant(beside=frozenset(path for folder in near for path in self.below(folder)))
        if _WILD.search(parts[-1]):
            names = [name for name in self._by_name if _fits(parts[-1], name)] if _telling(parts) else []
        else:
            names = [parts[-1]]
        files = frozenset(path for name in names for path in self._by_name.get(name, ()) if _agrees(path, parts))
        if files or not ("/" in text.strip("/") or text.endswith("/") or text.startswith("/")):
            return Meant(files)
        inside = (folder for folder in self._directories(parts) if not self.folder.startswith(f"{folder}/"))
        return Meant(below=frozenset(path for folder in inside for path in self.below(folder)))

    def _directories(self, parts: Sequence[str]) -> Iterator[str]:
        last = parts[-1]
        names = [last] if not _WILD.search(last) else [name for name in self._directories_by_name if _fits(last, name)]
        for name in names:
            yield from (path for path in self._directories_by_name.get(name, ()) if _agrees(path, parts))

    def listed(self, directory: str, pattern: str, *, deep: bool) -> frozenset[str]:
        """The files in a directory whose names match. A directory that is unknown may be any in the DAG folder."""
        key = (directory, pattern, deep)
        if key not in self._matching:
            self._matching[key] = frozenset(self._listed(directory, pattern, deep))
        return self._matching[key]

    def _listed(self, directory: str, pattern: str, deep: bool) -> Iterator[str]:
        folders = self.folders(directory)
        unknown = folders is None
        for folder in [self.folder.rstrip("/")] if folders is None else folders:
            # A pattern such as `*.md` names what is else not read.
            for path in self.below(folder) if pattern == "*" or unknown else _below(self.all, folder):
                inside = path[len(folder) :].lstrip("/")
                if (deep or unknown or "/" not in inside) and _fits(pattern, inside.rpartition("/")[2]):
                    yield path

    def called(self, scope: frozenset[str], words: Collection[str]) -> set[str]:
        """The paths of ``scope`` whose names, as `plain` gives them, are among ``words``."""
        if scope not in self._called:
            found: dict[str, set[str]] = defaultdict(set)
            for path in scope:
                for word in plain(path):
                    found[word].add(path)
            self._called[scope] = found
        by_word = self._called[scope]
        return {path for word in by_word.keys() & words for path in by_word[word]}

    def modules_like(self, name: str) -> list[str]:
        """The modules whose dotted names match."""
        if name not in self._like:
            self._like[name] = [path for module, paths in self.modules.items() if _fits(name, module) for path in paths]
        return self._like[name]

    @cached_property
    def modules_in_folder(self) -> list[str]:
        """The modules in the DAG folder."""
        return [path for path in self.in_folder() if slots(path)]

    def anywhere(self, place: str) -> list[str]:
        """The modules at a place below any directory."""
        return [path for path in self._places_by_name.get(place.rpartition("/")[2], ()) if f"/{place}" in f"/{path}"]

    @cached_property
    def _places_by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for place, paths in self.places.items():
            found[place.rpartition("/")[2]].extend(paths)
        return found

    def folders(self, directory: str) -> Collection[str] | None:
        """The directories that a text can mean; None if it may be any, or one outside of the tree."""
        if directory.startswith(TREE):
            path = posixpath.normpath(directory[1:] or ".")
            if _LOST.search(directory) or path.startswith(".."):
                return None
            if not _WILD.search(path):
                return ["" if path == "." else path]
            return {folder for folder in self.directories if _fits(path, folder)}
        parts = [part for part in directory.split("/") if part not in ("", ".", "..")]
        return list(self._directories(parts)) if parts and _known(parts[-1]) else None


def _below(paths: Sequence[str], directory: str) -> Sequence[str]:
    """The part of sorted paths that is below a directory."""
    start, end = (bisect_left(paths, f"{directory}{mark}") for mark in "/0")
    return paths[start:end] if directory else paths


@lru_cache(1 << 16)
def plain(word: str) -> frozenset[str]:
    """The last part of a path, without and with its endings, as lower-case letters and digits."""
    last = word.rpartition("/")[2].lower()
    forms = (last, last.partition(".")[0], last.rpartition(".")[0])
    return frozenset(plain for form in forms if (plain := "".join(filter(str.isalnum, form))))


def _by_last(paths: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        found[path.rpartition("/")[2]].append(path)
    return found


def _known(part: str) -> bool:
    """Whether a part of a path tells something of a name."""
    return any(character.isalnum() for character in _WILD.sub("", part))


def _telling(parts: Sequence[str]) -> bool:
    """Whether the last part, which has wildcards, tells enough to look for it anywhere."""
    known = sum(character.isalnum() for character in _WILD.sub("", parts[-1]))
    return known > 1 and (len(parts) > 1 or "." in parts[-1])


def _agrees(path: str, parts: Sequence[str]) -> bool:
    """Whether the directory before the last part is the same, where both tell it."""
    folders = path.split("/")[:-1]
    return len(parts) < 2 or not folders or bool(_WILD.search(parts[-2])) or folders[-1] == parts[-2]


def _fits(pattern: str, text: str) -> bool:
    """Whether a text matches. A wildcard stands for any text, also with slashes, so that the time is linear."""
    first, *rest = _WILD.split(pattern)
    if not rest:
        return text == pattern
    *middle, last = rest
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        at = text.find(piece, at, end) + len(piece)
        if at < len(piece):
            return False
    return True
