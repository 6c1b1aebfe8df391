"""One revision as the search for dependencies sees it: its files' code, and who may read which file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from gitsync.impact import facts
from gitsync.impact.imports import memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitsync.impact.cache import Known, Session
    from gitsync.impact.imports import Memory
    from gitsync.impact.learn import Key
    from gitsync.impact.paths import Paths
    from gitsync.impact.patterns import Patterns
    from gitsync.impact.side import Side
    from gitsync.impact.unit import Code

_KEPT = 2_000
"""Files whose code is kept in memory."""


@dataclass
class Readers:
    """Who reads which file, as ``.gitsync.yaml`` of both revisions says."""

    sides: Sequence[Side]
    _matched: dict[Patterns, frozenset[str]] = field(default_factory=dict)
    _of: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def of(self, path: str) -> frozenset[str] | None:
        """The only files that read ``path``; None if one of the revisions does not say."""
        if path not in self._of:
            said = [side.rules.readers(path) for side in self.sides]
            known = None if None in said else [self._matching(one) for rule in said for one in rule or ()]
            self._of[path] = None if known is None else frozenset().union(*known)
        return self._of[path]

    def may_read(self, user: str, path: str) -> bool:
        """Whether one of the revisions leaves it open who reads ``path``, or ``user`` is one of its readers."""
        readers = self.of(path)
        return readers is None or user in readers

    def reads(self, user: str) -> frozenset[str]:
        """The files that ``user`` reads because a rule of one of the revisions says so."""
        said = (item for side in self.sides for item in side.rules.reads.items())
        return frozenset().union(*(self._matching(patterns) for patterns, readers in said if user in readers))

    def _matching(self, patterns: Patterns) -> frozenset[str]:
        if patterns not in self._matched:
            found = (path for side in self.sides for path in side.files if path in patterns)
            self._matched[patterns] = frozenset(found)
        return self._matched[patterns]


@dataclass
class View:
    """One revision."""

    session: Session
    side: Side
    known: Mapping[Key, Known]
    paths: Paths
    readers: Readers
    memory: Memory = field(default_factory=memory)
    _codes: dict[int, Code] = field(default_factory=dict)

    def facts(self, path: str) -> Known | None:
        """The facts of a file; None if the revision does not have it."""
        entry = self.side.files.get(path)
        return None if entry is None else self.known[entry.blob, facts.kind(path)]

    def code(self, known: Known) -> Code:
        """The code of a file. It must not be changed."""
        if known.id not in self._codes:
            if len(self._codes) == _KEPT:
                self._codes.clear()
            self._codes[known.id] = self.session.code(known.id)
        return self._codes[known.id]

    def homes(self, path: str) -> list[str]:
        """``path``; and if it leads through a symbolic link, the other paths of its file."""
        entry = self.side.files.get(path)
        return [path] if entry is None or path not in self.side.linked else self._by_blob[entry.blob]

    @cached_property
    def _by_blob(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for path, entry in self.side.files.items():
            found[entry.blob].append(path)
        return found
