"""The commands of docs/operate.md work as they are written, on an instance with the objects that they name."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from hack.operate.overlay import CHECKOUT
from tests.cluster.instances import eventually

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest

NIGHTLY = """
from datetime import UTC, datetime

from airflow.sdk import dag, task

@dag(schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def nightly():
    @task
    def say():
        return "nightly"
    say()

nightly()
"""
DAYS = ["2026-01-01", "2026-01-02", "2026-01-03"]


def documented(heading: str) -> str:
    """The first block of commands under a heading; without prompts, and without what explains a command or answers."""
    page = (CHECKOUT / "docs" / "operate.md").read_text()
    block = page.split(f"\n## {heading}\n")[1].split("```\n")[1]
    if "\n$ " in f"\n{block}":
        block = "\n".join(re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE))
    return re.sub(r"(?<=\S) {2,}.*$", "", block, flags=re.MULTILINE)


def run(dev: UnderTest, script: str) -> str:
    """What the commands print; they must succeed."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=dev.instance.cluster.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_backfill_is_of_the_published_commit(dev: UnderTest) -> None:
    """1. a dry run makes no run; 2. for real, one for each day: of the commit that is published, and all succeed."""
    revision = dev.push(nightly=NIGHTLY)
    dev.wait_published(revision)
    dev.wait_listed("nightly", revision)
    dev.airflow.ask("PATCH", "/dags/nightly", {"is_paused": False})
    command = documented("Backfill").replace("--dag-id DAG", "--dag-id nightly")
    printed = run(dev, command)
    assert all(day in printed for day in DAYS)
    assert not backfilled(dev)
    run(dev, command.replace("--dry-run", ""))
    eventually(lambda: list(backfilled(dev).values()) == ["success"] * len(DAYS), "three days", dev.findings)
    runs = dev.airflow.ask("GET", "/dags/nightly/dagRuns?run_type=backfill")["dag_runs"]
    assert {each["bundle_version"] for each in runs} == {revision}


def backfilled(dev: UnderTest) -> dict[str, str]:
    runs = dev.airflow.ask("GET", "/dags/nightly/dagRuns?run_type=backfill")["dag_runs"]
    return {each["dag_run_id"]: each["state"] for each in runs}


def test_the_database_answers_a_question(dev: UnderTest) -> None:
    assert "dag_id" in run(dev, documented("Ad hoc queries"))


def test_every_log_can_be_read(dev: UnderTest) -> None:
    """Each line by itself; the one that follows is asked not to."""
    for command in documented("Logs").replace(" -f ", " ").splitlines():
        assert run(dev, command), command
