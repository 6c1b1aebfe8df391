"""Compares two revisions: finds the touched DAG files, with the causes in a sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from gitsync.errors import Refused
from gitsync.impact.change import Change
from gitsync.impact.learn import learn
from gitsync.impact.restart import BEHIND_ALL, changed_kinds, restarts
from gitsync.impact.rules import Rules
from gitsync.impact.same import same_code
from gitsync.impact.side import Discovery, Side, stated
from gitsync.impact.snapshot import TooManyLinks
from gitsync.impact.steps import Step, silently
from gitsync.impact.traced import Traced

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitsync.airflow.trace import Trace
    from gitsync.impact.cache import FactCache, Session
    from gitsync.impact.snapshot import Snapshot
    from gitsync.impact.steps import Announce
    from gitsync.impact.way import Leg

_SHOWN = 3
MOST_NAMED = 100
_LONGEST_WAY = 50
_USUAL = Discovery()


@dataclass(frozen=True)
class Touched:
    """The effect of a change on Airflow."""

    files: frozenset[str] | None
    """The touched DAG files, as paths in the DAG folder like Airflow's ``dag.relative_fileloc``. Deleted files, and the
    members of archives, are included. None: every DAG file may be touched."""
    why: str
    """The number of touched DAG files and the causes, in a sentence."""
    restart: Mapping[str, str] = field(default_factory=dict)
    """The components that must restart to have the new code, each with the reason."""
    opaque: Mapping[str, str] = field(default_factory=dict)
    """Files of the new revision that are beyond a limit of the analysis, each with the reason; at most `MOST_NAMED`.
    They count as reading everything."""
    ways: Mapping[str, tuple[Leg, ...]] = field(default_factory=dict)
    """The way from a touched DAG file to what has changed, by its name as in ``files``; at most `MOST_NAMED`."""
    dag_files: frozenset[str] = frozenset()
    """All DAG files of both revisions, named like ``files``. Empty if they are unknown."""
    unforeseen: Mapping[str, str] = field(default_factory=dict)
    """The DAG files that are touched only because the gate saw them use a changed path, each with this path. The rules
    of the analysis lack it."""


def touched(
    old: Snapshot,
    new: Snapshot,
    changed: Collection[str],
    cache: FactCache,
    discovery: Discovery = _USUAL,
    *,
    announce: Announce = silently,
    beyond: Mapping[str, str] = MappingProxyType({}),
    traces: Mapping[str, Trace] = MappingProxyType({}),
) -> Touched:
    """Compare two revisions that differ in the paths ``changed``.

    ``announce`` gets each step before it begins. ``beyond`` has files that must not be read, by blob, each with the
    reason. ``traces`` has the traces of DAG files of ``old``, by their paths in the DAG folder. Raises Refused if
    ``.gitsync.yaml`` of ``new`` is wrong, and StoreError if the cache cannot be written.
    """
    announce(Step.RULES)
    said = stated(new)
    announce(Step.RULES_BEFORE)
    said_before = _said_before(old)
    announce(Step.LINKS)
    try:
        sides = (Side.of(old, said_before, discovery), Side.of(new, said, discovery))
    except TooManyLinks:
        return Touched(None, "every DAG file: links to directories add too many paths to compare")

    def work(session: Session) -> Touched:
        known = learn(session, sides, announce, beyond)
        announce(Step.PATTERNS)
        dags = [side.dag_files(known, discovery) for side in sides]
        same = same_code(sides, changed, announce)
        announce(Step.COMPARISON)
        change = Change.of(session, sides, known, changed, same)
        found = replace(_compared(change, dags, Traced.of(change, traces)), opaque=_opaque(change))
        change.keep()
        return found

    return cache.using(work)


def _said_before(old: Snapshot) -> Rules:
    try:
        return stated(old)
    except Refused:
        return Rules()  # published unchecked, such as the first revision; no rules narrow nothing down


def _opaque(change: Change) -> dict[str, str]:
    known = ((path, change.new.facts(path)) for path in sorted(change.new.side.files))
    return dict(islice(((path, item.anything) for path, item in known if item and item.opaque), MOST_NAMED))


def _compared(change: Change, dag_files: Sequence[set[str]], traced: Traced) -> Touched:
    before, after = dag_files
    dags = before | after
    reached = {path: path for path in before ^ after}
    reached |= {path: cause for path in sorted(dags - reached.keys()) if (cause := change.cause(path))}
    unforeseen = {path: cause for path in sorted(dags - reached.keys()) if (cause := traced.cause(path))}
    ways = _ways(change, reached)
    reached |= unforeseen
    kinds = changed_kinds(change)
    why = _everything(change, kinds)
    return Touched(
        files=None if why else frozenset(_as_airflow_names(change, reached)),
        why=f"every DAG file: {why}" if why else _sentence(reached, dags),
        restart=restarts(change, kinds),
        ways=ways | traced.ways(dict(islice(unforeseen.items(), MOST_NAMED - len(ways)))),
        dag_files=frozenset(_as_airflow_names(change, dags)),
        unforeseen={path.removeprefix(change.new.side.folder): cause for path, cause in unforeseen.items()},
    )


def _ways(change: Change, reached: Mapping[str, str]) -> dict[str, tuple[Leg, ...]]:
    others = ((path, cause) for path, cause in sorted(reached.items()) if path != cause)
    found = ((path, change.way(path, cause)) for path, cause in islice(others, MOST_NAMED))
    return {path.removeprefix(change.new.side.folder): way for path, way in found if len(way) < _LONGEST_WAY}


def _everything(change: Change, kinds: Mapping[str, str]) -> str:
    """The reason why every DAG file counts as touched; empty if only some do."""
    if change.old.side.folder != change.new.side.folder:
        return "the DAG folder has changed"
    for kind in sorted(BEHIND_ALL & kinds.keys()):
        return f"{kinds[kind]} changes a {kind}, which acts on DAGs that do not import it"
    return ""


def _as_airflow_names(change: Change, dags: Iterable[str]) -> Iterator[str]:
    for path in dags:
        for view in (change.old, change.new):
            for name in (path, *view.side.members(path, view.known)):
                yield name.removeprefix(view.side.folder)


def _sentence(reached: Mapping[str, str], dags: Collection[str]) -> str:
    if not reached:
        return "no DAG file: no changed file is imported or may be read by one"
    causes = Counter(reached[path] for path in sorted(reached)).most_common()
    named = ", ".join(f"{path} ({count})" for path, count in causes[:_SHOWN])
    more = f" and {len(causes) - _SHOWN} more" if len(causes) > _SHOWN else ""
    return f"{len(reached)} of {len(dags)} DAG files, because of {named}{more}"
