"""What gitsync's database role may read, and errors that name the place and the cure."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import psycopg
import pytest

from gitsync.errors import DatabaseError
from tests.airflow.rows import RUNNING, Rows
from tests.ports import free_port

if TYPE_CHECKING:
    from tests.airflow.stack import Stack

READABLE = {
    "dag": {
        "dag_id", "bundle_name", "relative_fileloc", "is_paused", "is_stale", "last_parsed_time", "last_parse_duration",
    },
    "dag_run": {
        "dag_id", "run_id", "run_type", "state", "queued_at", "start_date", "clear_number", "backfill_id",
        "bundle_version", "created_dag_version_id",
    },
    "task_instance": {"dag_id", "run_id", "state", "start_date", "try_number", "dag_version_id"},
    "dag_bundle": {"name", "last_refreshed"},
    "dag_version": {"id", "dag_id", "version_number", "bundle_version"},
}  # fmt: skip


def test_the_role_reads_what_it_needs_and_nothing_else(stack: Stack) -> None:
    """No connection, no variable, no result of a task, and not what a run was triggered with."""
    with stack.postgres.connect("quiet") as connection:
        found = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND has_column_privilege('gitsync', table_name::regclass, column_name, 'SELECT')"
        ).fetchall()
        readable: dict[str, set[str]] = {}
        for table, column in found:
            readable.setdefault(table, set()).add(column)
        assert readable == READABLE
        connection.execute("SET ROLE gitsync")
        for secret in ("TABLE connection", "TABLE variable", "TABLE xcom", "SELECT conf FROM dag_run"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(secret.encode())


def test_a_role_that_could_read_more_cannot_after_the_next_migration(stack: Stack) -> None:
    stack.postgres.make("airflow", "older", template="quiet")
    with stack.postgres.connect("older") as connection:
        connection.execute("GRANT SELECT ON dag, dag_run, task_instance, dag_bundle, dag_version TO gitsync")
        stack.postgres.grant("older")
        connection.execute("SET ROLE gitsync")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT conf FROM dag_run")


def test_the_role_may_ask_for_parsing_and_change_nothing_else(stack: Stack) -> None:
    with stack.postgres.connect("quiet") as connection:
        connection.execute("SET ROLE gitsync")
        connection.execute("INSERT INTO dag_priority_parsing_request VALUES ('a', 'dags', 'file.py')")
        for statement in ("DELETE FROM dag_priority_parsing_request", "UPDATE dag SET is_paused = true", "TABLE job"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_a_database_without_airflows_tables_cannot_say_that_nothing_runs(stack: Stack) -> None:
    """1. A database without tables; 2. Airflow's; 3. dropped and made anew: each is seen at the next question."""
    database = stack.database("new")
    for template, tables in (("template0", False), ("quiet", True), ("template0", False)):
        with stack.postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE IF EXISTS new")
        stack.postgres.make("airflow", "new", template=template)
        if tables:
            with stack.postgres.connect("new") as connection:
                rows = Rows(connection)
                rows.add_dag()
                rows.add_run("running", RUNNING)
                bundle = rows.bundle
        else:
            bundle = "dags"
        with database.hold(wait=1, limit=5) as hold:
            for ask in (hold.blocking, database.blocking, database.revisions_in_use):
                with nullcontext() if tables else pytest.raises(DatabaseError, match="'new' has no tables of Airflow"):
                    assert len(ask(bundle)) == 1


def test_tables_in_another_schema_are_not_taken_for_a_new_database(stack: Stack) -> None:
    stack.postgres.make("airflow", "elsewhere", template="quiet")
    with stack.postgres.connect("elsewhere") as connection:
        connection.execute("ALTER SCHEMA public RENAME TO airflow")
    with pytest.raises(DatabaseError, match=r"in the schema airflow, .* ALTER ROLE gitsync SET search_path = airflow"):
        stack.database("elsewhere").blocking()


def test_errors_name_the_place_and_the_cure(stack: Stack) -> None:
    stack.postgres.make("airflow", "not-granted", template="quiet")
    with stack.postgres.connect("not-granted") as connection:
        connection.execute("REVOKE SELECT (state) ON task_instance FROM gitsync")
    with pytest.raises(DatabaseError, match=r"not-granted on 127.*permission denied.*the migration grants"):
        stack.database("not-granted").blocking()
    with pytest.raises(DatabaseError, match="password authentication failed") as refused:
        stack.database("quiet", password="wrong one").blocking()
    assert "wrong one" not in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(DatabaseError, match=r"127.0.0.1.*refused"):
        stack.database("quiet", port=free_port()).blocking()
    database = stack.database("quiet")
    (stack.folder / "gitsync-password").unlink()
    with pytest.raises(DatabaseError, match="gitsync-password"):
        database.blocking()


def test_a_rotated_password_is_used_at_once(stack: Stack) -> None:
    database = stack.database("quiet")
    secret = stack.folder / "gitsync-password"
    right = secret.read_text()
    secret.write_text("old")
    with pytest.raises(DatabaseError):
        database.blocking()
    secret.write_text(right)
    database.blocking()
