"""`backup` and `restore` around kubectl: the file is whole and private; nothing stops for a file that is no dump."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.unit.kubectls import install, start

if TYPE_CHECKING:
    from pathlib import Path

DUMP = bytes(range(256)) * 100
KUBECTL = """#!/bin/sh
# What a cluster answers that has PostgreSQL and nothing else; what is asked of it is noted, a line each.
echo "$*" >> asked
case "$*" in
  *" get "*) echo '{"metadata": {"labels": {"kube-airflow/instance": "dev"}}}' ;;
  *pg_dump*) cat stored; test ! -e broken || { echo "pg_dump: error: gone" >&2; exit 1; } ;;
  *pg_restore*--list) cat > listed; cmp -s listed stored || { echo "pg_restore: error: not a dump" >&2; exit 1; } ;;
  *pg_restore*) cat > restored ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with a kubectl, and DUMP as what the database would be saved as."""
    install(tmp_path, KUBECTL)
    (tmp_path / "stored").write_bytes(DUMP)
    return tmp_path


def run(machine: Path, verb: str, file: str) -> subprocess.CompletedProcess[str]:
    with start(machine, verb, file) as started:
        output, error = started.communicate(timeout=60)
    return subprocess.CompletedProcess(verb, started.returncode, output, error)


def asked(machine: Path) -> str:
    return (machine / "asked").read_text()


def test_a_backup_is_whole_and_private(machine: Path) -> None:
    done = run(machine, "backup", "airflow.dump")
    assert (done.returncode, done.stdout) == (0, f"wrote airflow.dump, {len(DUMP)} bytes\n"), done.stderr
    assert (machine / "airflow.dump").read_bytes() == DUMP
    assert (machine / "airflow.dump").stat().st_mode & 0o777 == 0o600
    assert not (machine / "airflow.dump.new").exists()


def test_a_backup_that_breaks_off_leaves_the_file_before_it(machine: Path) -> None:
    (machine / "airflow.dump").write_text("yesterday's")
    (machine / "broken").touch()
    done = run(machine, "backup", "airflow.dump")
    assert done.returncode == 1
    assert done.stderr.endswith("pg_dump: error: gone\n")
    assert (machine / "airflow.dump").read_text() == "yesterday's"
    assert not (machine / "airflow.dump.new").exists()


def test_a_restore_stops_what_writes_before_it_writes(machine: Path) -> None:
    done = run(machine, "restore", "stored")
    assert done.returncode == 0, done.stderr
    assert (machine / "restored").read_bytes() == DUMP
    before, _writing, after = asked(machine).partition("pg_restore --username=airflow")
    for name in ("scheduler", "dag-processor", "api-server", "triggerer"):
        assert f"dev-{name} --replicas=0" in before
    assert "--replicas" not in after


def test_a_file_that_is_no_dump_stops_nothing(machine: Path) -> None:
    (machine / "other").write_text("no dump")
    done = run(machine, "restore", "other")
    assert done.returncode == 1
    assert done.stderr.endswith("pg_restore: error: not a dump\n")
    assert "--replicas" not in asked(machine)
