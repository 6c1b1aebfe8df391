"""Keeps the facts of files in SQLite, by blob id, so that each is analysed once."""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from gitsync.errors import StoreError
from gitsync.impact import facts, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gitsync.impact.facts import Facts
    from gitsync.impact.unit import Code

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_VERSION = facts.VERSION * 10_000 + sys.version_info[0] * 100 + sys.version_info[1]
"""Version of the cache. Results of an older analyser, or of another Python's parser, do not count."""
_TABLES = ("facts", "classes", "closures")
# Columns in the order of their key. With another order, `quick_check` of SQLite 3.40 reports NULLs that are none.
_SCHEMA = f"""
CREATE TABLE facts (
    id INTEGER PRIMARY KEY, blob TEXT, kind TEXT, dag INTEGER, anything TEXT, members TEXT, opaque INTEGER, code TEXT,
    UNIQUE (blob, kind)
);
CREATE TABLE classes (fact INTEGER, name TEXT, base TEXT, PRIMARY KEY (fact, name, base)) WITHOUT ROWID;
CREATE TABLE closures (start TEXT PRIMARY KEY, layout TEXT, files TEXT) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
"""
_INSERT = """
INSERT INTO facts (blob, kind, dag, anything, members, opaque, code) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


class Known(NamedTuple):
    """The facts of one blob, without its code."""

    id: int
    blob: str
    kind: str
    dag: bool
    anything: str
    members: str
    """Names with a slash after each."""
    opaque: bool


class Used(NamedTuple):
    """A file on which another depends."""

    path: str
    blob: str
    """Its content; empty if the revision does not have the file."""
    data: bool
    """Whether it is read as data, so that each byte of it counts."""


class Session:
    """A connection to the cache, for one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def known(self) -> dict[tuple[str, str], Known]:
        """All facts, by blob and kind."""
        columns = ", ".join(Known._fields)
        rows = self._connection.execute(f"SELECT {columns} FROM facts")  # noqa: S608 - our names
        return {(row[1], row[2]): Known(*row) for row in rows}

    def add(self, found: Iterable[tuple[str, str, Facts]]) -> None:
        """Add facts, each with its blob and kind. A crash adds none of them."""
        with self._connection:
            for blob, kind, item in found:
                self._add(blob, kind, item)

    def _add(self, blob: str, kind: str, item: Facts) -> None:
        members = "".join(f"{name}/" for name in item.members)
        row = (blob, kind, item.dag, item.anything, _storable(members), item.opaque, stored.dumped(item.code))
        added = self._connection.execute(_INSERT, row).lastrowid
        classes = ((added, name, base) for name, base in item.code.classes)
        self._connection.executemany("INSERT INTO classes VALUES (?, ?, ?)", classes)

    def code(self, fact: int) -> Code:
        """The code of a file, by the id of its facts."""
        (text,) = self._connection.execute("SELECT code FROM facts WHERE id = ?", (fact,)).fetchone()
        return stored.loaded(text)

    def classes(self, only: Collection[int]) -> list[tuple[int, str, str]]:
        """The classes in the facts ``only``, each as fact id, class name and name of a base."""
        rows = self._connection.execute("SELECT fact, name, base FROM classes")
        return [row for row in rows if row[0] in only]

    def closures(self, layout: str) -> dict[str, list[Used]]:
        """The files on which each file depends among the paths of a layout; see `keep`."""
        rows = self._connection.execute("SELECT start, files FROM closures WHERE layout = ?", (layout,))
        return {start: [Used(*each) for each in json.loads(files)] for start, files in rows}

    def keep(self, layout: str, closures: Mapping[str, Sequence[Used]]) -> None:
        """Keep the files on which files depend. ``layout`` stands for all that counts besides their contents."""
        rows = ((_storable(start), layout, json.dumps(files)) for start, files in closures.items())
        with self._connection:
            self._connection.execute("DELETE FROM closures WHERE layout != ?", (layout,))
            self._connection.executemany("INSERT OR REPLACE INTO closures VALUES (?, ?, ?)", rows)

    def forget_except(self, kept: Collection[int]) -> None:
        """Remove all facts but ``kept``."""
        with self._connection:
            self._connection.execute("CREATE TEMP TABLE kept (id INTEGER PRIMARY KEY)")
            self._connection.executemany("INSERT INTO kept VALUES (?)", ((fact,) for fact in kept))
            for table, column in (("facts", "id"), ("classes", "fact")):
                query = f"DELETE FROM {table} WHERE {column} NOT IN (SELECT id FROM kept)"  # noqa: S608 - our names
                self._connection.execute(query)
            self._connection.execute("DROP TABLE kept")


def _storable(text: str) -> str:
    """``text`` without surrogates, which SQLite refuses. File names and literals may have some."""
    return text if text.isascii() else text.encode(errors="replace").decode()


class FactCache:
    """The cache of one source, in ``directory``. Losing it costs only time."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "facts.sqlite"
        self._lock = threading.Lock()
        self._checked = False

    def using(self, work: Callable[[Session], _T]) -> _T:
        """Run ``work`` on the cache. If the file is damaged, make a new one and run again. Raises StoreError."""
        with self._lock:
            try:
                return self._once(work)
            except (sqlite3.DatabaseError, OSError) as error:
                log.warning("impact.facts-lost", extra={"file": str(self._path), "error": str(error)})
                return self._anew(work)

    def _anew(self, work: Callable[[Session], _T]) -> _T:
        try:
            for path in self._path.parent.glob(f"{self._path.name}*"):
                path.unlink(missing_ok=True)
            return self._once(work)
        except (sqlite3.DatabaseError, OSError) as error:
            message = f"cannot write the cache of files in {self._path}: {error}; check the volume's space and owner"
            raise StoreError(message) from error

    def _once(self, work: Callable[[Session], _T]) -> _T:
        with self._open() as session:
            return work(session)

    @contextmanager
    def _open(self) -> Iterator[Session]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path)) as connection:
            if not self._checked and connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("the file is damaged")
            self._checked = True
            if connection.execute("PRAGMA user_version").fetchone() != (_VERSION,):
                connection.executescript("".join(f"DROP TABLE IF EXISTS {name};" for name in _TABLES) + _SCHEMA)
            yield Session(connection)
