"""A pushed commit is live on every pod, and its DAGs run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cluster.instances import SAYING, eventually

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest


def test_a_pushed_dag_is_listed_and_runs_on_a_celery_worker(dev: UnderTest) -> None:
    revision = dev.push(pushed=SAYING.format(name="pushed", mark="pushed"))
    dev.wait_published(revision)
    dev.wait_listed("pushed", revision)
    run = dev.airflow.trigger("pushed")
    assert dev.wait_run(run, "pushed")["bundle_version"] == revision
    assert dev.result(run, "say", "pushed") == "pushed"
    assert dev.task(run, "say", "pushed")["hostname"].startswith("dev-worker-0.dev-worker.")


def test_the_example_ran_when_the_stack_came_up(dev: UnderTest) -> None:
    runs = dev.airflow.ask("GET", "/dags/hello/dagRuns")["dag_runs"]
    assert runs[0]["state"] == "success"
    assert runs[0]["bundle_version"]


def test_an_event_says_what_was_published(dev: UnderTest) -> None:
    revision = dev.published() or ""
    events = dev.instance.get("events", "--field-selector", "involvedObject.name=dev-gitsync-0,reason=Published")
    assert any(revision[:12] in event["message"] for event in events["items"])


def test_logs_of_a_running_task_are_read_through_the_api(dev: UnderTest) -> None:
    revision = dev.push_lock_dag("logs")
    dev.wait_published(revision)
    dev.wait_listed("lock", revision)
    run = dev.start()
    path = f"/dags/lock/dagRuns/{run}/taskInstances/first/logs/1"
    eventually(lambda: "first runs logs" in json.dumps(dev.airflow.ask("GET", path)), "the log is there", dev.findings)
    assert dev.task(run, "first")["state"] == "running"
    dev.let_go()
    dev.wait_run(run)


def test_a_ref_that_is_gone_is_named_and_nothing_is_lost(dev: UnderTest) -> None:
    """status, Event and the published tree; and it recovers by itself when the ref is back."""
    published = dev.published()
    rename = ("exec", "dev-git-server-0", "--", "git", "-C", "/srv/git/dags.git", "branch", "--move")
    dev.instance.kubectl(*rename, "main", "elsewhere")
    try:
        eventually(lambda: (dev.status()["last_error"] or {}).get("reason") == "RefNotFound", "the error", dev.findings)
        assert "'main'" in dev.status()["last_error"]["message"]
        assert dev.published() == published
        reasons = {event["reason"] for event in dev.instance.get("events")["items"]}
        assert "RefNotFound" in reasons
    finally:
        dev.instance.kubectl(*rename, "elsewhere", "main")
    look = ("exec", "statefulset/dev-gitsync", "--", "gitsync", "look")
    eventually(lambda: dev.instance.kubectl(*look) and dev.status()["last_error"] is None, "recovery", dev.findings)
