"""Connections to Airflow's database, with time limits, and with errors that name the cure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from gitsync.errors import DatabaseError, SecretUnreadable
from gitsync.mounted import read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Connection = psycopg.Connection[dict[str, Any]]
Cursor = psycopg.Cursor[dict[str, Any]]
Row = dict[str, Any]
Ask = Callable[[str, Mapping[str, object]], list[Row]]
"""Runs an SQL query with named values, and returns all rows."""

NO_ANSWER = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)
"""Errors that the server raises at a time limit."""

_CURES: tuple[tuple[type[psycopg.Error], str], ...] = (
    (psycopg.errors.InsufficientPrivilege, "the migration grants gitsync's role what it reads: has it finished?"),
    (psycopg.errors.UndefinedTable, "its schema is not that of Airflow 3.3: run `airflow db migrate`"),
    (psycopg.errors.UndefinedColumn, "its schema is not that of Airflow 3.3: run `airflow db migrate`"),
    (psycopg.errors.QueryCanceled, "it did not answer in time: is it overloaded, or a table locked?"),
)


@dataclass(frozen=True, kw_only=True)
class Connector:
    """The address of Airflow's database. Each session opens a connection of its own, with the current password."""

    host: str
    port: int = 5432
    name: str = "airflow"
    user: str = "gitsync"
    password_file: Path | None = None
    connect_timeout: float = 5.0
    """Seconds."""
    statement_timeout: float = 10.0
    """Seconds that one query may take."""

    def __str__(self) -> str:
        return f"Airflow's database {self.name} on {self.host}:{self.port}"

    @contextmanager
    def session(self) -> Iterator[Cursor]:
        """One transaction on a connection of its own. Raises DatabaseError."""
        with self.connected() as connection, self.transaction(connection) as cursor:
            yield cursor

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[Cursor]:
        """One transaction of several on one connection."""
        with connection.transaction(), connection.cursor() as cursor:
            set_limits(cursor, statement_timeout=self.statement_timeout)
            yield cursor

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection that is closed afterwards. Raises DatabaseError."""
        with explained(str(self)), closing(self._connect()) as connection:
            yield connection

    def _connect(self) -> Connection:
        return psycopg.connect(
            host=self.host,
            port=self.port,
            dbname=self.name,
            user=self.user,
            password=self._password(),
            connect_timeout=max(2, round(self.connect_timeout)),  # libpq's shortest limit
            application_name="gitsync",
            # The kernel then notices within seconds that the server or its node is gone.
            keepalives_idle=5,
            keepalives_interval=5,
            keepalives_count=2,
            tcp_user_timeout=15_000,
            # A pooler may run the next transaction in another server process, which has no prepared statement.
            prepare_threshold=None,
            row_factory=dict_row,
        )

    def _password(self) -> str | None:
        if self.password_file is None:
            return None
        try:
            return read(self.password_file, "password file")
        except SecretUnreadable as error:
            raise DatabaseError(f"{self}: {error}") from error


def set_limits(cursor: Cursor, **seconds: float) -> None:
    """Set time limits for the transaction, in seconds by setting name. The server enforces them by itself."""
    # PostgreSQL takes 0 for no limit.
    given = [part for name, value in seconds.items() for part in (name, f"{max(1, round(value * 1000))}ms")]
    cursor.execute("SELECT " + ", ".join(["set_config(%s, %s, true)"] * len(seconds)), given)


def asking(cursor: Cursor) -> Ask:
    """The function that runs queries in the transaction of ``cursor``."""
    return lambda question, values: cursor.execute(question.encode(), values).fetchall()


@contextmanager
def explained(database: str) -> Iterator[None]:
    """Turn the driver's errors into DatabaseError: one line, with the cure. ``database`` names the database in it."""
    try:
        yield
    except psycopg.Error as error:
        cure = next((f": {cure}" for kind, cure in _CURES if isinstance(error, kind)), "")
        raise DatabaseError(f"{database}: {' '.join(str(error).split())}{cure}") from error
