"""Other servers, other volumes, other workers: DAGs run with each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.instances import eventually
from tests.cluster.overlays import none_of

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
