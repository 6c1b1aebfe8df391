"""`make down` and `make up` keep DAGs, history and revisions."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from hack.operate.overlay import CHECKOUT

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest


def make(target: str) -> None:
    result = subprocess.run(
        ["make", target], cwd=CHECKOUT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"make {target}:\n{result.stdout}\n{result.stderr}"


def test_everything_is_still_there(dev: UnderTest) -> None:
    def history() -> set[tuple[str, str, str]]:
        runs = dev.airflow.ask("GET", "/dags/~/dagRuns?limit=100")["dag_runs"]
        return {(run["dag_id"], run["dag_run_id"], run["bundle_version"]) for run in runs}

    before, record, dags = history(), dev.record(), dev.airflow.ask("GET", "/dags")["total_entries"]
    make("down")
    make("up")
    # Airflow's web server has a new token key only if its Secret was lost: the old token still works.
    assert history() >= before
    assert (dev.record()["revision"], dev.record()["epoch"]) == (record["revision"], record["epoch"])
    assert dev.airflow.ask("GET", "/dags")["total_entries"] == dags
    assert dev.published() == record["revision"]
