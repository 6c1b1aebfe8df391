"""The hold: no task starts while it lasts, and it always ends."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from gitsync.errors import DatabaseError, HoldTimeout
from gitsync.metadata.hold import SCHEDULER_CRITICAL_SECTION
from tests.airflow.processes import Process, wait_until
from tests.airflow.servers import PASSWORD, Pooler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitsync.metadata.database import Database
    from tests.airflow.stack import Stack

# Holds until it is told more on standard input, and says how that ended.
HOLDER = """
import sys
from pathlib import Path
from gitsync.errors import DatabaseError
from gitsync.metadata.database import Database

port, secret, limit = sys.argv[1:]
database = Database(host="127.0.0.1", port=int(port), name="quiet", password_file=Path(secret))
try:
    with database.hold(wait=1, limit=float(limit)):
        print("held", flush=True)
        sys.stdin.readline()
except DatabaseError as error:
    print(error, flush=True)
"""


@pytest.fixture
def database(stack: Stack) -> Database:
    """One that no scheduler uses: the lock belongs to a database, not to the server."""
    return stack.database("quiet")


@contextmanager
def holder(stack: Stack, limit: float) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds."""
    secret = stack.folder / "holder-password"
    secret.write_text(PASSWORD)
    command = [sys.executable, "-c", HOLDER, str(stack.postgres.port), str(secret), str(limit)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def second_scheduler(stack: Stack) -> Iterator[None]:
    command = [str(stack.environment / "bin/airflow"), "scheduler"]
    process = Process("second-scheduler", command, logs=stack.logs, env=stack.env)
    try:
        wait_until("two schedulers beat", lambda: process.check() and len(_beats(stack)) == 2, 300)
        yield
    finally:
        process.end()


@pytest.mark.usefixtures("second_scheduler")
def test_no_task_starts_while_it_is_held(stack: Stack) -> None:
    """
    1. Hold, and trigger a run: the API answers at once, and a scheduler makes its first task ready.
    2. Two schedulers beat twice more, are healthy, and have started nothing.
    3. Release: the run succeeds.
    """
    with stack.database().hold(wait=10, limit=60) as hold:
        run = stack.trigger("simple")
        wait_until("a scheduler makes the first task ready", lambda: run.states().get("first") == "scheduled")
        for _ in range(2):
            before = _beats(stack)
            assert len(before) == 2
            wait_until("both schedulers beat", lambda before=before: not before & _beats(stack))  # type: ignore[misc] # it has no type
            assert run.states() == {"first": "scheduled", "second": None}
        assert stack.health()["scheduler"]["status"] == "healthy"
        assert hold.blocking("dags") == ()
        held = hold.seconds
    assert run.seconds < 10
    began = time.monotonic()
    wait_until("the first task starts", lambda: run.states()["first"] in {"queued", "running", "success"})
    started = time.monotonic() - began
    run.finish()
    print(f"held {held:.1f} s; trigger {run.seconds * 1000:.0f} ms; task queued {started:.2f} s after the release")


def _beats(stack: Stack) -> set[tuple[Any, ...]]:
    """The last beat of each scheduler that runs."""
    question = b"SELECT id, latest_heartbeat FROM job WHERE job_type = 'SchedulerJob' AND state = 'running'"
    with stack.postgres.connect("airflow") as connection:
        return set(connection.execute(question))


def test_a_run_that_started_before_is_seen_inside(stack: Stack) -> None:
    gate = stack.folder / "inside.gate"
    run = stack.trigger("gated", gate=str(gate))
    wait_until("the first task executes", gate.with_suffix(".waiting").exists)
    with stack.database().hold(wait=10, limit=60) as hold:
        found = [(one.run_id, one.reason) for one in hold.blocking("dags")]
    gate.touch()
    assert found == [(run.id, "task instance: 1 running")]
    run.finish()
    assert stack.database().blocking("dags") == ()


def test_it_is_taken_in_milliseconds(database: Database) -> None:
    took = []
    for _ in range(20):
        began = time.monotonic()
        with database.hold(wait=1, limit=5):
            took.append(time.monotonic() - began)
    print(f"connect and hold: median {sorted(took)[10] * 1000:.1f} ms, longest {max(took) * 1000:.1f} ms")
    assert sorted(took)[10] < 0.5


def test_schedulers_do_not_get_it_meanwhile(stack: Stack, database: Database) -> None:
    question = f"SELECT pg_try_advisory_xact_lock({SCHEDULER_CRITICAL_SECTION})"
    with database.hold(wait=1, limit=5):
        assert stack.row(question, database="quiet") == (False,)
    assert stack.row(question, database="quiet") == (True,)


def test_a_second_holder_waits_and_then_says_so(database: Database) -> None:
    with database.hold(wait=1, limit=30):
        began = time.monotonic()
        with pytest.raises(HoldTimeout, match=r"not free within 0.5 s.*objid 2"), database.hold(wait=0.5, limit=5):
            pass
        assert 0.4 < time.monotonic() - began < 10


def test_a_second_holder_gets_it_when_the_first_is_done(database: Database) -> None:
    waited: list[float] = []

    def second() -> None:
        began = time.monotonic()
        with database.hold(wait=20, limit=5):
            waited.append(time.monotonic() - began)

    thread = threading.Thread(target=second)
    with database.hold(wait=1, limit=30) as hold:
        thread.start()
        wait_until("half a second has passed", lambda: hold.seconds > 0.5)
        assert not waited
    thread.join(20)
    assert waited


def test_an_error_inside_gives_it_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.hold(wait=1, limit=30):
        raise ZeroDivisionError
    with database.hold(wait=2, limit=5):
        pass


def test_a_killed_holder_gives_it_back(stack: Stack, database: Database) -> None:
    with holder(stack, 60) as process:
        process.kill()
        began = time.monotonic()
        with database.hold(wait=5, limit=5):
            print(f"free {(time.monotonic() - began) * 1000:.0f} ms after the kill")


def test_a_stuck_holder_is_ended_by_the_server(stack: Stack, database: Database) -> None:
    """
    1. Another process holds with a limit of 2 s, and does nothing: the lock is free after that, not before.
    2. When that process goes on, it is told that it had lost the lock.
    """
    with holder(stack, 2) as process:
        began = time.monotonic()
        with database.hold(wait=20, limit=5):
            assert 1 < time.monotonic() - began < 15
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert "quiet on 127.0.0.1" in process.stdout.readline()


def test_questions_do_not_make_it_longer(database: Database) -> None:
    """A controller that asks again and again is not stuck, and must let go all the same."""

    def keep_asking() -> None:
        with database.hold(wait=1, limit=1.5) as hold:
            while hold.seconds < 15:
                hold.blocking()

    with pytest.raises(DatabaseError, match=r"limit 1.5 s|terminating|canceling"):
        keep_asking()
    with database.hold(wait=10, limit=5):
        pass


@pytest.fixture(scope="module")
def pooled(stack: Stack) -> Iterator[Database]:
    """The same, through pgbouncer in transaction mode."""
    pooler = Pooler(stack.folder / "pgbouncer", stack.logs, stack.postgres)
    process = pooler.start()
    yield stack.database("quiet", port=pooler.port)
    process.end()


def test_it_holds_through_a_pooler(stack: Stack, pooled: Database) -> None:
    """The lock belongs to one transaction, so it stays with one server connection however many questions are put."""
    question = f"SELECT pg_try_advisory_xact_lock({SCHEDULER_CRITICAL_SECTION})"
    for _ in range(3):
        with pooled.hold(wait=1, limit=5) as hold:
            assert pooled.blocking("no such bundle") == hold.blocking("no such bundle") == ()
            assert stack.row(question, database="quiet") == (False,)
        assert stack.row(question, database="quiet") == (True,)


def test_a_pooler_does_not_make_it_longer(pooled: Database, database: Database) -> None:
    """1. A hold of 1 s is left idle: PostgreSQL ends it. 2. Its holder is told. 3. The next one is not affected."""

    def fall_asleep() -> None:
        with pooled.hold(wait=1, limit=1) as hold, database.hold(wait=20, limit=5):
            assert hold.seconds > 0.9

    with pytest.raises(DatabaseError, match=r"quiet on 127.0.0.1"):
        fall_asleep()
    with pooled.hold(wait=1, limit=5) as hold:
        assert hold.left > 1
        assert hold.blocking("no such bundle") == ()


def test_asked_after_its_end_it_does_not_answer(database: Database) -> None:
    with database.hold(wait=1, limit=5) as hold:
        pass
    with pytest.raises(DatabaseError, match="not held any more"):
        hold.blocking()
