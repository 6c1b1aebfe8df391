"""What the gate saw DAG files use when it imported them. It adds to what the rules find, and narrows nothing."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsync.impact.names import slots
from gitsync.impact.way import Leg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitsync.airflow.trace import Trace
    from gitsync.impact.change import Change

_USED = "used, as the gate saw,"


@dataclass(frozen=True)
class Traced:
    """A change, and the traces of DAG files of the old revision."""

    change: Change
    traces: Mapping[str, Trace]
    """By the DAG files' paths in the DAG folder."""
    changed: frozenset[str]
    """The changed paths, without those whose code is the same. Directories have no slash at their end."""
    moved: frozenset[str]
    """Those of them that are new or gone."""
    homes: Mapping[str, str]
    """The directories of the latter, each with one of them."""
    places: Mapping[str, str]
    """The places of modules that are new or gone, such as ``lib/names`` for ``lib/names.py``, each with its path."""

    @classmethod
    def of(cls, change: Change, traces: Mapping[str, Trace]) -> Traced:
        """Index the changed paths; nothing of them without a trace."""
        paths = change.paths if traces else frozenset()
        before, after = change.old.side.files, change.new.side.files
        moved = {path for path in paths if path.endswith("/") or (path in before) != (path in after)}
        return cls(
            change,
            traces,
            frozenset(path.rstrip("/") for path in paths - change.same),
            frozenset(path.rstrip("/") for path in moved),
            {posixpath.dirname(path.rstrip("/")): path.rstrip("/") for path in sorted(moved)},
            {place: path.rstrip("/") for path in sorted(moved) for place in slots(path)},
        )

    def cause(self, path: str) -> str:
        """The changed path that a DAG file used when the gate imported it; empty if there is none."""
        trace = self.traces.get(path.removeprefix(self.change.old.side.folder))
        if trace is None:
            return ""
        return next((each for each in self._met(trace) if self.change.old.readers.may_read(path, each)), "")

    def _met(self, trace: Trace) -> Iterator[str]:
        yield from (each for each in trace.read if each in self.changed)
        yield from (each for each in trace.asked if each in self.moved)
        yield from (self.homes[each] for each in trace.listed if each in self.homes)
        for name in trace.modules:
            for root in trace.roots:
                place = posixpath.join(root, name.replace(".", "/"))
                if place in self.places:
                    yield self.places[place]
        if trace.cut:
            yield from sorted(each for each in self.changed if f"{each}/".startswith(self.change.old.side.folder))

    def ways(self, causes: Mapping[str, str]) -> dict[str, tuple[Leg, ...]]:
        """The ways from DAG files to the paths that are their causes, by the DAG files' paths in the DAG folder."""
        folder = self.change.old.side.folder
        return {path.removeprefix(folder): (Leg(path, 1, _USED, cause),) for path, cause in causes.items()}
