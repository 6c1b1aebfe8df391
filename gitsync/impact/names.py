"""The names by which a file can be imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsync.impact import facts
from gitsync.impact.bindings import INSTALLED

if TYPE_CHECKING:
    from collections.abc import Iterable

_PACKAGE_FILES = ("__init__", "__main__")


def slots(path: str) -> list[str]:
    """The places of a module: ``a/b`` for ``a/b.py``, ``a/b/__init__.py``, ``a/b.abi3.so`` and directory ``a/b/``."""
    folder, _, name = path.rpartition("/")
    if not name:
        return [folder]
    if facts.kind(path) not in (facts.PYTHON, facts.COMPILED):
        return []
    stem = name.partition(".")[0]
    folder = folder.removesuffix("__pycache__").rstrip("/")
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
            unknown = not self.closed and top not in self.tops and top not in INSTALLED
            if unknown or "/".join(parts[:start]) in self.declared:
                found.add(".".join(parts[start:]))
        return found


def _tops(roots: frozenset[str], paths: Iterable[str]) -> frozenset[str]:
    found = set()
    for root in roots:
        prefix = f"{root}/" if root else ""
        found |= {path[len(prefix) :].split("/", 1)[0].partition(".")[0] for path in paths if path.startswith(prefix)}
    return frozenset(found)
