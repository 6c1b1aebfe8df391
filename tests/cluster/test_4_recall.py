"""A run is cleared long after its end, when all volumes with its commit have been replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.progress import step
from tests.cluster.instances import SAYING

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest


def test_a_cleared_run_goes_on_with_its_own_commit_from_the_git_host(dev: UnderTest) -> None:
    """1. a run ends; 2. another commit is published, and the controller and the worker start with empty volumes;
    3. the run is cleared: its task runs again, on the run's own commit."""
    old = dev.push(cleared=SAYING.format(name="cleared", mark="old"))
    dev.wait_published(old)
    dev.wait_listed("cleared", old)
    run = dev.airflow.trigger("cleared")
    assert dev.wait_run(run, "cleared")["bundle_version"] == old
    new = dev.push(cleared=SAYING.format(name="cleared", mark="new"))
    dev.wait_published(new)
    dev.wait_listed("cleared", new)

    kubectl = dev.instance.kubectl
    kubectl("exec", "dev-gitsync-0", "-c", "gitsync", "--", "rm", "-r", "/var/lib/gitsync/dags.git")
    kubectl("delete", "pod", "dev-gitsync-0", "dev-worker-0")
    with step("gitsync and the worker start again") as current:
        dev.instance.wait_until_ready(current)
    assert old not in kubectl("exec", "dev-worker-0", "-c", "airflow", "--", "ls", "/dags/revisions")

    dev.airflow.ask("POST", f"/dags/cleared/dagRuns/{run}/clear", {"dry_run": False, "only_failed": False})
    found = dev.wait_run(run, "cleared")
    assert found["bundle_version"] == old
    assert dev.task(run, "say", "cleared")["try_number"] == 2
    assert dev.result(run, "say", "cleared") == "old"
    assert old in kubectl("exec", "dev-worker-0", "-c", "airflow", "--", "ls", "/dags/revisions")
