"""Compares two revisions: finds the touched DAG files, with the causes in a sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from gitsync.errors import Refused
from gitsync.impact import facts
from gitsync.impact.learn import learn
from gitsync.impact.restart import BEHIND_ALL, changed_kinds, restarts
from gitsync.impact.rules import Rules
from gitsync.impact.same import same_code
from gitsync.impact.side import Discovery, Side, stated
from gitsync.impact.snapshot import TooManyLinks
from gitsync.impact.spread import Spread
from gitsync.impact.steps import Step, silently

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitsync.impact.cache import FactCache, Session
    from gitsync.impact.snapshot import Snapshot
    from gitsync.impact.steps import Announce

_RENDERED = (".sql", ".hql", ".html", ".j2", ".jinja", ".jinja2", ".json", ".yaml", ".yml", ".tpl", ".tmpl", ".sh",
             ".bash", ".cypher", ".ddl", ".dml")  # fmt: skip
"""File extensions by which Airflow's operators take a value for the name of a template."""
_SHOWN = 3
MOST_NAMED = 100
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
    dag_files: frozenset[str] = frozenset()
    """All DAG files of both revisions, named like ``files``. Empty if they are unknown."""


def touched(
    old: Snapshot,
    new: Snapshot,
    changed: Collection[str],
    cache: FactCache,
    discovery: Discovery = _USUAL,
    *,
    announce: Announce = silently,
    beyond: Mapping[str, str] = MappingProxyType({}),
) -> Touched:
    """Compare two revisions that differ in the paths ``changed``.

    ``announce`` gets each step before it begins. ``beyond`` has files that must not be read, by blob, each with the
    reason. Raises Refused if ``.gitsync.yaml`` of ``new`` is wrong, and StoreError if the cache cannot be written.
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
        spread = Spread(session, sides, learn(session, sides, announce, beyond))
        announce(Step.PATTERNS)
        dags = [side.dag_files(spread.known, discovery) for side in sides]
        same = same_code(sides, changed, announce)
        announce(Step.COMPARISON)
        return replace(_compared(spread, changed, same, dags), opaque=_opaque(spread))

    return cache.using(work)


def _said_before(old: Snapshot) -> Rules:
    try:
        return stated(old)
    except Refused:
        return Rules()  # published unchecked, such as the first revision; no rules narrow nothing down


def _opaque(spread: Spread) -> dict[str, str]:
    new = spread.sides[-1]
    known = ((path, spread.known[entry.blob, facts.kind(path)]) for path, entry in sorted(new.files.items()))
    return dict(islice(((path, item.anything) for path, item in known if item.opaque), MOST_NAMED))


def _compared(spread: Spread, changed: Collection[str], same: frozenset[str], dag_files: Sequence[set[str]]) -> Touched:
    """``same``: the changed files whose code is the same, so that only a file that reads them as data may differ."""
    before, after = dag_files
    paths = {*changed, *_through_links(spread.sides)}
    paths |= _folders(spread.sides, paths)
    imported = spread.from_imports(paths - same)
    kinds = changed_kinds(spread, imported)
    reached = spread.from_everything(paths, same)
    for path in before ^ after:
        reached.setdefault(path, next((item for item in sorted(paths) if item.endswith(".airflowignore")), path))
    dags = before | after
    why = _everything(spread, kinds, paths)
    found = {path for path in dags if path in reached}
    return Touched(
        files=None if why else frozenset(_as_airflow_names(spread, found)),
        why=f"every DAG file: {why}" if why else _sentence(found, dags, reached),
        restart=restarts(spread, kinds, (path for path in paths if not path.endswith("/"))),
        dag_files=frozenset(_as_airflow_names(spread, dags)),
    )


def _through_links(sides: Sequence[Side]) -> set[str]:
    """Paths with another content because a symbolic link, or its target, has changed."""
    before, after = (side.files for side in sides)
    linked = {path for side in sides for path in side.linked}
    return {path for path in linked if before.get(path) != after.get(path)}


def _folders(sides: Sequence[Side], changed: Collection[str]) -> set[str]:
    """Directories that are new or gone, each with a slash. Python may take any directory for a namespace package."""
    before, after = (side.files for side in sides)
    if all(path in before and path in after for path in changed):
        return set()
    return {f"{folder}/" for folder in _parents(before) ^ _parents(after)}


def _parents(files: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in files:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _everything(spread: Spread, kinds: Mapping[str, str], paths: Collection[str]) -> str:
    """The reason why every DAG file counts as touched; empty if only some do."""
    before, after = spread.sides
    if before.folder != after.folder:
        return "the DAG folder has changed"
    for kind in sorted(BEHIND_ALL & kinds.keys()):
        return f"{kinds[kind]} changes a {kind}, which acts on DAGs that do not import it"
    templates = (path for path in paths if path.startswith(after.folder) and path.endswith(_RENDERED))
    for path in spread.unnamed(templates):
        return f"{path} may be a template, and no file names it"
    return ""


def _as_airflow_names(spread: Spread, dags: Iterable[str]) -> Iterator[str]:
    for path in dags:
        for side in spread.sides:
            for name in (path, *side.members(path, spread.known)):
                yield name.removeprefix(side.folder)


def _sentence(found: Collection[str], dags: Collection[str], reached: Mapping[str, str]) -> str:
    if not found:
        return "no DAG file: no changed file is imported or may be read by one"
    causes = Counter(reached[path] for path in sorted(found)).most_common()
    named = ", ".join(f"{path} ({count})" for path, count in causes[:_SHOWN])
    more = f" and {len(causes) - _SHOWN} more" if len(causes) > _SHOWN else ""
    return f"{len(found)} of {len(dags)} DAG files, because of {named}{more}"
