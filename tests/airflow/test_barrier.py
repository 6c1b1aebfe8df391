"""The barrier: after a flip no run starts before Airflow has the structure of the new commit."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gitsync.metadata.barrier import Barrier
from tests.airflow.dag_files import chain, simple
from tests.airflow.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.airflow.stack import Stack

LIMIT = 60.0


@pytest.fixture
def barrier(stack: Stack) -> Barrier:
    return Barrier(stack.database(), "plain")


def flip(stack: Stack, files: Mapping[str, str | None]) -> datetime:
    """Publish, as the sidecar of the DAG processor does, and say when its link moved."""
    stack.plain.publish(files)
    return datetime.now(UTC)


def known(stack: Stack, dag: str) -> bool:
    return stack.row("SELECT FROM dag WHERE dag_id = %s AND NOT is_stale", dag) is not None


def test_a_run_triggered_right_after_has_the_new_structure(stack: Stack, barrier: Barrier) -> None:
    """
    1. A DAG of two tasks whose file takes 2 s to parse, in a bundle without versions, is known.
    2. Hold; flip to a commit with other tasks; wait for the barrier; release; trigger at once.
    3. The run has the new tasks only, and each ran the new code.
    """
    flip(stack, chain("barrier", "one", ["first", "second"], seconds=2))
    wait_until("the DAG is known", lambda: known(stack, "barrier"))
    with stack.database().hold(wait=10, limit=90) as hold:
        flipped = flip(stack, chain("barrier", "two", ["first", "third", "fourth"], seconds=2))
        left = barrier.wait_serialized({"barrier.py"}, flipped_at=flipped, limit=LIMIT)
        held = hold.seconds
    run = stack.trigger("barrier")
    run.finish()
    print(f"held {held:.1f} s; one parse takes 2 s")
    assert left == frozenset()
    assert set(run.states()) == {"first", "third", "fourth"}
    assert {run.returned(task) for task in run.states()} == {"two"}


def test_a_deleted_file_and_one_that_does_not_import_are_not_waited_for(stack: Stack, barrier: Barrier) -> None:
    flip(stack, {**simple("gone", "one"), **simple("broken", "one"), **simple("stays", "one")})
    dags = ("gone", "broken", "stays")
    wait_until("the DAGs are known", lambda: all(known(stack, dag) for dag in dags))
    broken = {"broken.py": "import there_is_no_such_module  # airflow dag\n"}
    flipped = flip(stack, {"gone.py": None, **broken, **simple("stays", "two")})
    began = time.monotonic()
    files = {"gone.py", "broken.py", "stays.py", "new.py"}
    assert barrier.wait_serialized(files, flipped_at=flipped, limit=LIMIT) == frozenset()
    print(f"three files serialized {time.monotonic() - began:.1f} s after the flip")
    assert not known(stack, "gone")
    assert not known(stack, "broken")
    assert known(stack, "stays")


class Recorded:
    """One DAG in a database that no Airflow touches, as a DAG processor leaves it."""

    def __init__(self, stack: Stack, bundle: str) -> None:
        self.bundle = bundle
        self.barrier = Barrier(stack.database("quiet"), bundle)
        self._stack = stack
        self._run("INSERT INTO dag_bundle (name, active) VALUES (%s, true)", bundle)
        self._run(
            "INSERT INTO dag (dag_id, bundle_name, relative_fileloc, is_paused, is_stale, timetable_type,"
            " max_consecutive_failed_dag_runs, has_task_concurrency_limits, partition_mapper_info, max_active_tasks)"
            " VALUES (%s, %s, 'packed.zip/dag.py', false, false, '', 0, false, '[]', 16)", bundle, bundle,
        )  # fmt: skip

    def refreshed(self, at: datetime) -> None:
        self._run("UPDATE dag_bundle SET last_refreshed = %s WHERE name = %s", at, self.bundle)

    def parsed(self, at: datetime, seconds: float) -> None:
        self._run(
            "UPDATE dag SET last_parsed_time = %s, last_parse_duration = %s WHERE dag_id = %s", at, seconds, self.bundle
        )

    def serialized(self, number: int, revision: str) -> None:
        self._run(
            "INSERT INTO dag_version (id, version_number, dag_id, bundle_version, created_at, last_updated)"
            " VALUES (gen_random_uuid(), %s, %s, %s, now(), now())", number, self.bundle, revision,
        )  # fmt: skip

    def asked(self) -> list[tuple[str, str]]:
        query = "SELECT id, relative_fileloc FROM dag_priority_parsing_request WHERE bundle_name = %s"
        with self._stack.postgres.connect("quiet") as connection:
            return [(row[0], row[1]) for row in connection.execute(query, [self.bundle])]

    def _run(self, statement: str, *values: object) -> None:
        with self._stack.postgres.connect("quiet") as connection:
            connection.execute(statement.encode(), values)

    def left(self, flipped_at: datetime, revision: str | None = None) -> frozenset[str]:
        return self.barrier.wait_serialized({"packed.zip"}, flipped_at=flipped_at, limit=0.3, revision=revision)


FLIP = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def recorded(stack: Stack, request: pytest.FixtureRequest) -> Recorded:
    return Recorded(stack, request.node.name)


def after(seconds: float) -> datetime:
    return FLIP + timedelta(seconds=seconds)


def test_it_asks_for_the_files_once_and_ends_in_time(recorded: Recorded) -> None:
    """The request has the id that Airflow gives it; nobody parses here, so what was asked for is left over."""
    assert recorded.left(FLIP) == {"packed.zip"}
    assert [file for _id, file in recorded.asked()] == ["packed.zip"]
    recorded.barrier.ask(["packed.zip", "new.py"])
    assert sorted(file for _id, file in recorded.asked()) == ["new.py", "packed.zip"]
    assert {len(request) for request, _file in recorded.asked()} == {32}


def test_a_parse_counts_when_it_began_after_the_flip_was_seen(recorded: Recorded) -> None:
    recorded.refreshed(after(-1))
    recorded.parsed(after(3), seconds=1)
    assert recorded.left(FLIP) == {"packed.zip"}, "the bundle has not been refreshed since"
    recorded.refreshed(after(1))
    recorded.parsed(after(3), seconds=2.5)
    assert recorded.left(FLIP) == {"packed.zip"}, "this parse may have read the old tree"
    recorded.parsed(after(5), seconds=2.5)
    assert recorded.left(FLIP) == frozenset()


def test_with_versions_the_serialized_form_must_be_of_the_revision(recorded: Recorded) -> None:
    """A parse that Airflow did not write down, because it had just written that DAG, does not count."""
    recorded.refreshed(after(1))
    recorded.parsed(after(5), seconds=1)
    recorded.serialized(1, "new")
    recorded.serialized(2, "old")
    assert recorded.left(FLIP, "new") == {"packed.zip"}
    recorded.serialized(3, "new")
    assert recorded.left(FLIP, "new") == frozenset()
