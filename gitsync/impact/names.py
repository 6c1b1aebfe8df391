"""Connects paths with names: the names by which a file can be imported or mentioned, and the file that a name means."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.impact import facts
from gitsync.impact.python import MENTION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gitsync.impact.cache import Use

_INSTALLED = sys.stdlib_module_names | {"airflow"}
_PACKAGE_FILES = ("__init__", "__main__")


def slots(path: str) -> list[str]:
    """The places of a module: ``a/b`` for ``a/b.py``, ``a/b/__init__.py``, ``a/b.abi3.so`` and directory ``a/b/``."""
    folder, _, name = path.rpartition("/")
    if not name:
        return [folder]
    if facts.kind(path) not in (facts.PYTHON, facts.COMPILED):
        return []
    stem = name.partition(".")[0]
    inside = f"{folder}/{stem}" if folder else stem
    return [folder, inside] if folder and stem in _PACKAGE_FILES else [inside]


@dataclass(frozen=True)
class Roots:
    """The directories that may be on Python's search path."""

    declared: frozenset[str]
    """The DAG folder, and the ``roots`` of ``.gitsync.yaml``. An empty string is the repository's root."""
    closed: bool
    """Whether ``.gitsync.yaml`` has ``roots``, so that no other directory is on the search path."""
    tops: frozenset[str]
    """The top-level modules of the declared directories, in both revisions."""

    @classmethod
    def of(cls, declared: Iterable[str], *, closed: bool, files: Iterable[Iterable[str]]) -> Roots:
        roots = frozenset(declared)
        return cls(roots, closed, frozenset.intersection(*(_tops(roots, paths) for paths in files)))

    def names(self, slot: str) -> set[str]:
        """The dotted names by which ``slot`` can be imported.

        A directory that nobody has declared counts as well, because `PYTHONPATH` may name it. It counts only for a name
        that is in no declared directory, and that belongs neither to Python nor to Airflow.
        """
        parts = slot.split("/")
        found = set()
        for start, top in enumerate(parts):
            unknown = not self.closed and top not in self.tops and top not in _INSTALLED
            if unknown or "/".join(parts[:start]) in self.declared:
                found.add(".".join(parts[start:]))
        return found


def _tops(roots: frozenset[str], paths: Iterable[str]) -> frozenset[str]:
    found = set()
    for root in roots:
        prefix = f"{root}/" if root else ""
        found |= {path[len(prefix) :].split("/", 1)[0].partition(".")[0] for path in paths if path.startswith(prefix)}
    return frozenset(found)


@dataclass
class Index:
    """Paths, by all names that can mean them. Of several paths with one name, only one is kept.

    So the users of thousands of paths cost as many queries as the users of one path.
    """

    roots: Roots
    texts: dict[str, str] = field(default_factory=dict)
    """Paths by the ends of their names and by their directories."""
    ends: set[str] = field(default_factory=set)
    """The names that an import of the paths can have, relative ones included."""
    _slots: dict[str, str] = field(default_factory=dict)
    _modules: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, *, mentioned: Collection[str], starred: bool, imported: bool = True) -> None:
        """Add a path. ``mentioned``: the texts that mean it. ``starred``: star imports of its package count.

        ``imported``: whether imports of it count at all.
        """
        for slot in slots(path) if imported else ():
            here = [slot, _star(slot, "/")] if starred else [slot]
            for place in here:
                self._slots.setdefault(place, path)
                self.ends |= _ends(place.replace("/", "."))
            for name in self.roots.names(slot):
                self._modules.setdefault(name, path)
                if starred:
                    self._modules.setdefault(_star(name, "."), path)
        for text in mentioned:
            self.texts.setdefault(text, path)

    def meant(self, use: Use, user: str) -> str | None:
        """The path that ``use`` in the file ``user`` can mean, or None."""
        if use.level == MENTION:
            return self.texts.get(use.name)
        here = user.split("/")[:-1]
        if not use.level:
            # A program that is started by its path finds modules in its own directory first.
            beside = "/".join((*here, *use.name.split(".")))
            return self._modules.get(use.name) or self._slots.get(beside)
        package = here[: len(here) + 1 - use.level] if use.level <= len(here) + 1 else []
        # A package below one root may continue one with the same name below another root.
        names = (".".join((*package[start:], use.name)) for start in range(len(package) + 1))
        return next((self._modules[name] for name in names if name in self._modules), None)


def texts(path: str) -> set[str]:
    """All texts that can mean ``path``: its directories, and every end of its name."""
    *folders, name = path.split("/")
    return {name[start:] for start in range(len(name))} | set(folders)


def _ends(module: str) -> set[str]:
    parts = module.split(".")
    return {".".join(parts[start:]) for start in range(len(parts))}


def _star(name: str, joint: str) -> str:
    """The star import of a name's package: ``a.*`` for ``a.b``, and ``*`` for ``b``."""
    parent, found, _ = name.rpartition(joint)
    return f"{parent}{found}*"
