"""Under which names a path can be imported, and by which a module or a text can mean it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
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


@dataclass
class Index:
    """Some paths by everything that can mean them; where a name means several, one of them is kept.

    So it costs the same to ask for the users of one path or of thousands.
    """

    roots: Roots
    texts: dict[str, str] = field(default_factory=dict)
    """Ends of names, and directories."""
    ends: set[str] = field(default_factory=set)
    """What imports can say, relative or not."""
    _slots: dict[str, str] = field(default_factory=dict)
    _modules: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, *, mentioned: bool, starred: bool) -> None:
        """``mentioned``: a text counts, too; ``starred``: so does a star import of its package."""
        for slot in slots(path):
            here = [slot, _star(slot, "/")] if starred else [slot]
            for place in here:
                self._slots.setdefault(place, path)
                self.ends |= _ends(place.replace("/", "."))
            for name in self.roots.names(slot):
                self._modules.setdefault(name, path)
                if starred:
                    self._modules.setdefault(_star(name, "."), path)
        for text in texts(path) if mentioned else ():
            self.texts.setdefault(text, path)

    def meant(self, use: Use, user: str) -> str | None:
        """The path that ``use``, found in the file ``user``, can mean."""
        if use.level == MENTION:
            return self.texts.get(use.name)
        here = user.split("/")[:-1]
        if not use.level:
            # A program that is started by its path finds what is beside it first.
            beside = "/".join((*here, *use.name.split(".")))
            return self._modules.get(use.name) or self._slots.get(beside)
        package = here[: len(here) + 1 - use.level] if use.level <= len(here) + 1 else []
        # Packages of one name below two roots may be one package.
        names = (".".join((*package[start:], use.name)) for start in range(len(package) + 1))
        return next((self._modules[name] for name in names if name in self._modules), None)


def texts(path: str) -> set[str]:
    """Everything in a text that can mean ``path``."""
    *folders, name = path.split("/")
    return {name[start:] for start in range(len(name))} | set(folders)


def _ends(module: str) -> set[str]:
    parts = module.split(".")
    return {".".join(parts[start:]) for start in range(len(parts))}


def _star(name: str, joint: str) -> str:
    """``a.b`` as ``a.*``, and ``b`` as ``*``."""
    parent, found, _ = name.rpartition(joint)
    return f"{parent}{found}*"
