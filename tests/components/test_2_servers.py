"""Other servers, other volumes, other workers: DAGs run with each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.instances import SAYING, eventually
from tests.cluster.overlays import none_of, patch

if TYPE_CHECKING:
    from tests.components.trial import Trial

QUEUES = """
import socket

from airflow.sdk import dag, task

@dag(schedule=None)
def queues():
    @task
    def here():
        print("said here")
        return socket.gethostname()

    @task(queue="extra")
    def there():
        return socket.gethostname()

    here() >> there()

queues()
"""
KNOWN = (
    "postgres/airflow-password", "postgres/celery-password", "postgres/gitsync-password", "rabbitmq/password",
    "airflow/admin-password",
)  # fmt: skip
"""What the servers have been told: the user of Airflow's page is in the database too."""


def test_two_queues_one_volume_of_dags_one_of_logs_redis_and_pgbouncer(trial: Trial) -> None:
    """1. a task of each queue runs in a pod of its workers, from one volume; 2. its log is read when the worker is
    another pod; 3. the next commit reaches all by the one member of gitsync."""
    components = ("extra-queue", "shared-dags", "persistent-logs", "redis", "pgbouncer")
    made = trial.instance("shared", *components, claims=["dags", "logs"], replicas=none_of("triggerer"))
    instance = trial.run(made, queues=QUEUES)
    instance.wait_listed("queues", instance.commits[-1])
    run = instance.airflow.trigger("queues")
    instance.wait_run(run, "queues")
    assert instance.result(run, "here", "queues") == "shared-worker-0"
    assert instance.result(run, "there", "queues") == "shared-worker-extra-0"
    assert [member["name"].rsplit("-", 2)[0] for member in instance.status()["members"]] == ["shared-shared-dags"]

    made.kubectl("scale", "statefulset/shared-worker", "--replicas=0")
    eventually(lambda: not made.not_ready("worker"), "the worker is gone", instance.findings)
    path = f"/dags/queues/dagRuns/{run}/taskInstances/here/logs/1"
    assert "said here" in str(instance.airflow.ask("GET", path))

    new = instance.push(
        queues=QUEUES.replace("def here", 'def here_not() -> None: ...\n\n    @task(queue="extra")\n    def here')
    )
    instance.wait_published(new)
    instance.wait_listed("queues", new)
    following = instance.airflow.trigger("queues")
    assert instance.wait_run(following, "queues")["bundle_version"] == new
    assert instance.result(following, "here", "queues") == "shared-worker-extra-0"


def test_postgres_and_rabbitmq_are_elsewhere(trial: Trial) -> None:
    """external-postgres and external-broker, with the servers of another namespace: the lock reads that database."""
    tiers = ("api-server", "dag-processor", "flower", "git-server", "gitsync", "scheduler", "triggerer", "worker")
    servers = trial.instance("servers", replicas=none_of(*tiers))
    servers.apply()
    known = [f"{name}={servers.secret(*name.split('/'))}" for name in KNOWN]
    places = {
        "POSTGRES_HOST": "servers-postgres.servers",
        "POSTGRES_SSLMODE": "prefer",
        "BROKER_HOST": "servers-rabbitmq.servers",
    }
    made = trial.instance(
        "elsewhere",
        "external-postgres",
        "external-broker",
        secrets=[word for value in known for word in ("--value", value)],
        replicas=none_of("triggerer"),
        patches=[patch("ConfigMap", "hosts|migrate", data=places)],
    )
    instance = trial.run(made, say=SAYING.format(name="say", mark="elsewhere"))
    instance.wait_listed("say", instance.commits[-1])
    run = instance.airflow.trigger("say")
    instance.wait_run(run, "say")
    assert instance.result(run, "say", "say") == "elsewhere"
    assert instance.status()["last_error"] is None
    assert not made.get("statefulset", "--selector", "app.kubernetes.io/component in (postgres, rabbitmq)")["items"]
