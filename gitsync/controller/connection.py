"""Connections to Airflow's database, limits on what is asked there, and errors for the person who must act."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from gitsync.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Connection = psycopg.Connection[dict[str, Any]]
Cursor = psycopg.Cursor[dict[str, Any]]
Row = dict[str, Any]
Ask = Callable[[str, Mapping[str, object]], list[Row]]
"""Puts a question with named values, and gives all rows of the answer."""

NO_ANSWER = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)
"""The server gave up at one of our limits."""

_CURES: tuple[tuple[type[psycopg.Error], str], ...] = (
    (psycopg.errors.InsufficientPrivilege, "the migration grants gitsync's role what it reads: has it finished?"),
    (psycopg.errors.UndefinedTable, "its schema is not that of Airflow 3.3: run `airflow db migrate`"),
    (psycopg.errors.UndefinedColumn, "its schema is not that of Airflow 3.3: run `airflow db migrate`"),
    (psycopg.errors.QueryCanceled, "it did not answer in time: is it overloaded, or a table locked?"),
)


@dataclass(frozen=True, kw_only=True)
class Connector:
    """Where Airflow's database is. Each session has a connection of its own: a rotated password or a restart heals."""

    host: str
    port: int = 5432
    name: str = "airflow"
    user: str = "gitsync"
    password_file: Path | None = None
    connect_timeout: float = 5.0
    """Seconds."""
    statement_timeout: float = 10.0
    """Seconds that one question may take."""

    def __str__(self) -> str:
        return f"Airflow's database {self.name} on {self.host}:{self.port}"

    @contextmanager
    def session(self) -> Iterator[Cursor]:
        """One transaction on a connection of its own. Raises DatabaseError."""
        with self.connected() as connection, self.transaction(connection) as cursor:
            yield cursor

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[Cursor]:
        """One of several transactions on one connection."""
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
            connect_timeout=max(2, round(self.connect_timeout)),  # libpq takes 1 for 2
            application_name="gitsync",
            # A server that has vanished without a word is noticed, and never waited for.
            keepalives_idle=5,
            keepalives_interval=5,
            keepalives_count=2,
            tcp_user_timeout=15_000,
            # Behind a pooler the next transaction may be another server's.
            prepare_threshold=None,
            row_factory=dict_row,
        )

    def _password(self) -> str | None:
        if self.password_file is None:
            return None
        try:
            return self.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DatabaseError(f"{self}: cannot read the password file {self.password_file}: {error}") from error


def set_limits(cursor: Cursor, **seconds: float) -> None:
    """Set time limits for the transaction; the server keeps them even if we cannot."""
    # 0 would mean no limit.
    given = [part for name, value in seconds.items() for part in (name, f"{max(1, round(value * 1000))}ms")]
    cursor.execute("SELECT " + ", ".join(["set_config(%s, %s, true)"] * len(seconds)), given)


def asking(cursor: Cursor) -> Ask:
    """Questions in the transaction of ``cursor``."""
    return lambda question, values: cursor.execute(question.encode(), values).fetchall()


@contextmanager
def explained(database: str) -> Iterator[None]:
    """Turn the driver's errors into one line for the person who must act."""
    try:
        yield
    except psycopg.Error as error:
        cure = next((f": {cure}" for kind, cure in _CURES if isinstance(error, kind)), "")
        raise DatabaseError(f"{database}: {' '.join(str(error).split())}{cure}") from error
