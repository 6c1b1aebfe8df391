"""Which DAG files may behave differently between two revisions, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.errors import Refused
from gitsync.impact.learn import learn
from gitsync.impact.restart import BEHIND_ALL, changed_kinds, restarts
from gitsync.impact.rules import Rules
from gitsync.impact.side import Discovery, Side, stated
from gitsync.impact.snapshot import TooManyLinks
from gitsync.impact.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitsync.impact.cache import FactCache
    from gitsync.impact.snapshot import Snapshot

_RENDERED = (".sql", ".hql", ".html", ".j2", ".jinja", ".jinja2", ".json", ".yaml", ".yml", ".tpl", ".tmpl", ".sh",
             ".bash", ".cypher", ".ddl", ".dml")  # fmt: skip
"""Endings by which Airflow's operators take a value for the name of a template."""
_SHOWN = 3
_USUAL = Discovery()


@dataclass(frozen=True)
class Touched:
    """What a change means for Airflow."""

    files: frozenset[str]
    """DAG files relative to the DAG folder, as Airflow's ``dag.relative_fileloc``: deleted ones, too, and of an archive
    what Airflow loads from it."""
    everything: bool
    """It could not be narrowed: every DAG file may be touched."""
    why: str
    """One sentence."""
    restart: Mapping[str, str] = field(default_factory=dict)
    """Components of the stack that must restart to have the new code, each with the reason."""


def touched(
    old: Snapshot, new: Snapshot, changed: Collection[str], cache: FactCache, discovery: Discovery = _USUAL
) -> Touched:
    """Compare two revisions that differ in the paths ``changed``.

    Raises Refused when ``.gitsync.yaml`` of ``new`` is wrong, and StoreError when the cache cannot be written.
    """
    said = stated(new)
    try:
        sides = (Side.of(old, _said_before(old), discovery), Side.of(new, said, discovery))
    except TooManyLinks:
        return Touched(frozenset(), True, "every DAG file: links to directories make too many files to look at")
    return cache.using(lambda session: _compared(Spread(session, sides, learn(session, sides)), changed, discovery))


def _said_before(old: Snapshot) -> Rules:
    try:
        return stated(old)
    except Refused:
        return Rules()  # published before anyone looked; what says nothing narrows nothing


def _compared(spread: Spread, changed: Collection[str], discovery: Discovery) -> Touched:
    before, after = (side.dag_files(spread.known, discovery) for side in spread.sides)
    paths = {*changed, *_through_links(spread.sides)}
    paths |= _folders(spread.sides, paths)
    imported = spread.from_imports(paths)
    kinds = changed_kinds(spread, imported)
    reached = spread.from_everything(paths)
    for path in before ^ after:
        reached.setdefault(path, next((item for item in sorted(paths) if item.endswith(".airflowignore")), path))
    dags = before | after
    why = _everything(spread, kinds, paths)
    found = dags if why else {path for path in dags if path in reached}
    return Touched(
        files=frozenset(_as_airflow_names(spread, found)),
        everything=bool(why),
        why=f"every DAG file: {why}" if why else _sentence(found, dags, reached),
        restart=restarts(spread, kinds, (path for path in paths if not path.endswith("/"))),
    )


def _through_links(sides: Sequence[Side]) -> set[str]:
    """Paths whose content differs because of a symbolic link or of what it points to."""
    before, after = (side.files for side in sides)
    linked = {path for side in sides for path in side.linked}
    return {path for path in linked if before.get(path) != after.get(path)}


def _folders(sides: Sequence[Side], changed: Collection[str]) -> set[str]:
    """Directories that are new or gone, each with a slash: Python takes any for a namespace package."""
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
    """Why it cannot be narrowed; empty when it can."""
    before, after = spread.sides
    if before.folder != after.folder:
        return "the DAG folder is another one"
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
        return "no DAG file: nothing has changed that one imports or may read"
    causes = Counter(reached[path] for path in sorted(found)).most_common()
    named = ", ".join(f"{path} ({count})" for path, count in causes[:_SHOWN])
    more = f" and {len(causes) - _SHOWN} more" if len(causes) > _SHOWN else ""
    return f"{len(found)} of {len(dags)} DAG files, because of {named}{more}"
