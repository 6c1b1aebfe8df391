"""Under which names a path can be imported, and by which a module or a text can mean it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsync.impact import facts
from gitsync.impact.python import MENTION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitsync.impact.cache import Use

_INSTALLED = sys.stdlib_module_names | {"airflow"}
_PACKAGE_FILES = ("__init__", "__main__")


def slots(path: str) -> list[str]:
    """Where a module would be: ``a/b`` for ``a/b.py``, ``a/b/__init__.py``, ``a/b.abi3.so``, directory ``a/b/``."""
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
    """The DAG folder, and what ``.gitsync.yaml`` says; empty for the repository's root."""
    closed: bool
    """``.gitsync.yaml`` has said which they are, so that there are no others."""
    tops: frozenset[str]
    """Names that the declared ones provide in both revisions."""

    @classmethod
    def of(cls, declared: Iterable[str], *, closed: bool, files: Iterable[Iterable[str]]) -> Roots:
        roots = frozenset(declared)
        return cls(roots, closed, frozenset.intersection(*(_tops(roots, paths) for paths in files)))

    def names(self, slot: str) -> set[str]:
        """Dotted names by which ``slot`` can be imported.

        A directory that nobody has declared counts as well, as `PYTHONPATH` may name it; but only for a name that the
        declared ones lack, and that is no part of Python or Airflow.
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


@dataclass(frozen=True)
class Target:
    """Everything that can mean one path."""

    slots: frozenset[str]
    modules: frozenset[str]
    """Dotted names of the slots."""
    texts: frozenset[str]
    """The ends of its name, and the directories that it is in."""
    starred: bool
    """A star import of its package may load it."""

    @classmethod
    def of(cls, path: str, roots: Roots, *, mentioned: bool, starred: bool) -> Target:
        places = frozenset(slots(path))
        modules = frozenset(name for slot in places for name in roots.names(slot))
        return cls(places, modules, frozenset(_texts(path) if mentioned else ()), starred)

    def asked(self) -> set[str]:
        """All names to look up, whatever they are relative to."""
        ends = {name for slot in self.slots for name in _ends(slot.replace("/", "."))}
        return ends | self.texts | ({_star(name) for name in ends} if self.starred else set())

    def meant(self, use: Use, user: str) -> bool:
        """Whether ``use``, found in the file ``user``, can mean this path."""
        if use.level == MENTION:
            return use.name in self.texts
        here = user.split("/")[:-1]
        if not use.level:
            # A program that is started by its path finds what is beside it first.
            return self._is([], use.name) or self._is(here, use.name, by=self.slots, joint="/")
        up = use.level - 1
        if up > len(here):
            return False
        # Packages of one name below two roots may be one package.
        package = here[: len(here) - up]
        return any(self._is(package[start:], use.name) for start in range(len(package) + 1))

    def _is(self, package: list[str], name: str, *, by: frozenset[str] | None = None, joint: str = ".") -> bool:
        full = joint.join((*package, *name.split(".")))
        known = self.modules if by is None else by
        if name.endswith("*"):
            return self.starred and any(f"{item.rpartition(joint)[0]}{joint}*".lstrip(joint) == full for item in known)
        return full in known


def _ends(module: str) -> set[str]:
    parts = module.split(".")
    return {".".join(parts[start:]) for start in range(len(parts))}


def _star(name: str) -> str:
    return f"{name.rpartition('.')[0]}.*".lstrip(".")


def _texts(path: str) -> set[str]:
    *folders, name = path.split("/")
    return {name[start:] for start in range(len(name))} | set(folders)
