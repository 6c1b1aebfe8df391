"""After a flip: wait until Airflow has serialized the DAG files of the new revision, so that no run starts with the
structure of the old one and the code of the new.

The DAG processor looks at a flip when it refreshes the bundle, and starts no parse while it does; it writes both times
by its own clock, which is also that of the sidecar beside it. How Airflow keeps these is in docs/airflow.md.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gitsync.controller.connection import Connector, Cursor

POLL_SECONDS = 0.1
ASK_AGAIN_SECONDS = 5.0

MARGIN = timedelta(seconds=0.5)
"""Between the end of a parse and the time that Airflow records for it lie a few database statements."""

_ASK = """
INSERT INTO dag_priority_parsing_request (id, bundle_name, relative_fileloc)
VALUES (%(id)s, %(bundle)s, %(file)s) ON CONFLICT DO NOTHING
"""

REFRESHED = "SELECT last_refreshed FROM dag_bundle WHERE name = %(bundle)s"

# What an archive holds is recorded as a path inside it, and parsed with it.
SERIALIZED = r"""
SELECT regexp_replace(d.relative_fileloc, '\.zip/.*', '.zip') AS file,
       d.last_parsed_time AS at, d.last_parse_duration AS took,
       (SELECT v.bundle_version FROM dag_version v WHERE v.dag_id = d.dag_id ORDER BY v.version_number DESC LIMIT 1)
       AS revision
FROM dag d
WHERE d.bundle_name = %(bundle)s AND NOT d.is_stale
  AND (%(files)s::text[] IS NULL OR regexp_replace(d.relative_fileloc, '\.zip/.*', '.zip') = ANY(%(files)s))
"""


@dataclass(frozen=True)
class Parsed:
    """What Airflow has recorded of one DAG that can run: neither deleted nor with an import error."""

    file: str
    at: datetime | None
    """When its file's last parse was recorded; None: never."""
    took: timedelta
    revision: str | None
    """That of its newest serialized form; None with an unversioned bundle."""


def remaining(dags: Iterable[Parsed], seen: datetime | None, revision: str | None = None) -> frozenset[str]:
    """Files of which no parse is known that began after ``seen``, when the DAG processor looked at the flip.

    A file counts as parsed with one of its DAGs: Airflow records them together, and leaves out those that the file has
    no longer. With ``revision``, those recorded must be serialized as of that.
    """
    dags = list(dags)
    recorded = [dag for dag in dags if seen and dag.at and dag.at - dag.took - MARGIN > seen]
    behind = {dag.file for dag in recorded if revision not in (None, dag.revision)}
    return frozenset({dag.file for dag in dags} - {dag.file for dag in recorded} | behind)


class Barrier:
    """For one bundle. Every method raises DatabaseError when Airflow's database cannot be asked."""

    def __init__(self, connector: Connector, bundle: str) -> None:
        self._connector = connector
        self._bundle = bundle

    def ask(self, files: Iterable[str]) -> None:
        """Have the DAG processor refresh the bundle and parse ``files`` before all others.

        ``files`` are relative to the DAG folder; an archive is named as a whole.
        """
        with self._connector.session() as cursor:
            self._ask(cursor, files)

    def wait_serialized(
        self, files: Collection[str] | None, *, flipped_at: datetime, limit: float, revision: str | None = None
    ) -> frozenset[str]:
        """Ask for ``files`` (None: all) and wait at most ``limit`` seconds; gives those not serialized by then.

        ``flipped_at`` is when the DAG processor's link moved, by its own pod's clock. ``revision`` is that of a
        versioned bundle. Files without a DAG that can run (new, deleted, with an import error) are not waited for.
        """
        end, ask_at, seen = time.monotonic() + limit, 0.0, None
        with self._connector.connected() as connection:
            while True:
                with self._connector.transaction(connection) as cursor:
                    # The first refresh after the flip: a later one says nothing of the parses before it.
                    seen = seen or self._refreshed_after(cursor, flipped_at)
                    left = remaining(self._dags(cursor, files), seen, revision)
                    if not left or time.monotonic() > end:
                        return left
                    if time.monotonic() >= ask_at:
                        self._ask(cursor, left)
                        ask_at = time.monotonic() + ASK_AGAIN_SECONDS
                time.sleep(POLL_SECONDS)

    def _refreshed_after(self, cursor: Cursor, flipped_at: datetime) -> datetime | None:
        """When the DAG processor began to look at the bundle, if that was after the flip."""
        row = cursor.execute(REFRESHED, {"bundle": self._bundle}).fetchone()
        refreshed: datetime | None = row["last_refreshed"] if row else None
        return refreshed if refreshed and refreshed > flipped_at else None

    def _dags(self, cursor: Cursor, files: Collection[str] | None) -> list[Parsed]:
        rows = cursor.execute(SERIALIZED, {"bundle": self._bundle, "files": files if files is None else [*files]})
        return [Parsed(row["file"], row["at"], timedelta(seconds=row["took"] or 0), row["revision"]) for row in rows]

    def _ask(self, cursor: Cursor, files: Iterable[str]) -> None:
        cursor.executemany(_ASK, [{"id": self._id(file), "bundle": self._bundle, "file": file} for file in files])

    def _id(self, file: str) -> str:
        """The id that Airflow itself gives such a request: it is not made twice."""
        return hashlib.md5(f"{self._bundle}:{file}".encode(), usedforsecurity=False).hexdigest()
