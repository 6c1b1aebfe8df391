"""The barrier: after a flip, wait until Airflow has parsed and serialized the touched DAG files.

Without it a run could start with the structure of the old revision and the code of the new one.

The DAG processor notices a flip when it refreshes the bundle, and starts no parse during a refresh. It records the
times of refreshes and parses by its own clock, which is also the clock of the sidecar in its pod. docs/airflow.md says
where Airflow keeps these times.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gitsync.metadata.connection import Connector, Cursor

POLL_SECONDS = 0.1
ASK_AGAIN_SECONDS = 5.0

MARGIN = timedelta(seconds=0.5)
"""Longest time from the end of a parse to the time that Airflow records for it: a few database statements."""

_ASK = """
INSERT INTO dag_priority_parsing_request (id, bundle_name, relative_fileloc)
VALUES (%(id)s, %(bundle)s, %(file)s) ON CONFLICT DO NOTHING
"""

REFRESHED = "SELECT last_refreshed FROM dag_bundle WHERE name = %(bundle)s"

# Airflow records a DAG file in an archive as a path inside the archive, but parses the archive as a whole.
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
    """Airflow's record of one DAG that can run: it is not deleted, and its file has no import error."""

    file: str
    at: datetime | None
    """The time at which Airflow recorded the file's last parse; None: never."""
    took: timedelta
    """The duration of that parse."""
    revision: str | None
    """The revision of the DAG's newest serialized form; None with a bundle without versions."""


def remaining(dags: Iterable[Parsed], seen: datetime | None, revision: str | None = None) -> frozenset[str]:
    """The files that Airflow has not parsed since ``seen``, the time at which the DAG processor noticed the flip.

    A file counts as parsed if one of its DAGs is recorded. Airflow records all DAGs of a file together, but not a DAG
    that the file no longer has. With ``revision``, the recorded DAGs must also be serialized from that revision.
    """
    dags = list(dags)
    recorded = [dag for dag in dags if seen and dag.at and dag.at - dag.took - MARGIN > seen]
    behind = {dag.file for dag in recorded if revision not in (None, dag.revision)}
    return frozenset({dag.file for dag in dags} - {dag.file for dag in recorded} | behind)


class Barrier:
    """The barrier of one bundle. Every method raises DatabaseError if Airflow's database does not answer."""

    def __init__(self, connector: Connector, bundle: str) -> None:
        self._connector = connector
        self._bundle = bundle

    def ask(self, files: Iterable[str]) -> None:
        """Ask the DAG processor to refresh the bundle and to parse ``files`` before all others.

        ``files`` are paths in the DAG folder, of DAG files and of archives.
        """
        with self._connector.session() as cursor:
            self._ask(cursor, files)

    def wait_serialized(
        self, files: Collection[str] | None, *, flipped_at: datetime, limit: float, revision: str | None = None
    ) -> frozenset[str]:
        """Ask for ``files`` (None: all) and wait up to ``limit`` seconds. Give the files that are still not serialized.

        ``flipped_at`` is the time of the DAG processor's flip, by its own pod's clock. ``revision`` is for a bundle
        with versions. Files without a DAG that can run are not waited for: new and deleted files, and files with an
        import error.
        """
        end, ask_at, seen = time.monotonic() + limit, 0.0, None
        with self._connector.connected() as connection:
            while True:
                with self._connector.transaction(connection) as cursor:
                    # Only the first refresh after the flip counts. Parses between it and a later one are valid.
                    seen = seen or self._refreshed_after(cursor, flipped_at)
                    left = remaining(self._dags(cursor, files), seen, revision)
                    if not left or time.monotonic() > end:
                        return left
                    if time.monotonic() >= ask_at:
                        self._ask(cursor, left)
                        ask_at = time.monotonic() + ASK_AGAIN_SECONDS
                time.sleep(POLL_SECONDS)

    def _refreshed_after(self, cursor: Cursor, flipped_at: datetime) -> datetime | None:
        """The time of the DAG processor's last refresh of the bundle, or None if that was before the flip."""
        row = cursor.execute(REFRESHED, {"bundle": self._bundle}).fetchone()
        refreshed: datetime | None = row["last_refreshed"] if row else None
        return refreshed if refreshed and refreshed > flipped_at else None

    def _dags(self, cursor: Cursor, files: Collection[str] | None) -> list[Parsed]:
        rows = cursor.execute(SERIALIZED, {"bundle": self._bundle, "files": files if files is None else [*files]})
        return [Parsed(row["file"], row["at"], timedelta(seconds=row["took"] or 0), row["revision"]) for row in rows]

    def _ask(self, cursor: Cursor, files: Iterable[str]) -> None:
        cursor.executemany(_ASK, [{"id": self._id(file), "bundle": self._bundle, "file": file} for file in files])

    def _id(self, file: str) -> str:
        """The id that Airflow gives such a request. The same id prevents a second request for one file."""
        return hashlib.md5(f"{self._bundle}:{file}".encode(), usedforsecurity=False).hexdigest()
