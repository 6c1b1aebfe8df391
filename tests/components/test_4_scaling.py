"""Autoscaling of workers, with a metrics server and with KEDA."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from hack.lab.addons import keda, metrics_server
from hack.lab.node.plan import plan_from_environment
from hack.operate.instance import Instance
from hack.operate.overlay import CHECKOUT
from tests.cluster.instances import SAYING, eventually, literals
from tests.cluster.overlays import dev_overlay, none_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.instances import UnderTest
    from tests.components.trial import Trial

NAME = "scaling"
MOST = 3
TASKS = 4 * MOST
"""As many as the workers take when there are as many of them as there may be."""
LOAD = """
import socket
import time

from airflow.sdk import Variable, dag, task

@dag(schedule=None)
def load():
    @task
    def work(number):
        host = socket.gethostname()
        while (word := Variable.get("go", default="no")) != "yes" and host not in word.split():
            until = time.monotonic() + 2
            while time.monotonic() < until:
                if word != "burn":
                    time.sleep(2)
        return host

    work.expand(number=list(range(TASKS)))

load()
""".replace("TASKS", str(TASKS))
PAUSE = 15
"""Seconds between two steps down, instead of minutes."""
NOT_NEEDED = none_of("flower", "triggerer")


def changed(kind: str, **values: object) -> dict[str, object]:
    """Further values of the object `worker` of a kind, by their paths, as an overlay gives them."""
    operations = [{"op": "replace", "path": path.replace("_", "/"), "value": value} for path, value in values.items()]
    return {"target": {"kind": kind, "name": "worker"}, "patch": json.dumps(operations)}


PROCESSORS = changed(
    "HorizontalPodAutoscaler",
    _spec_minReplicas=1,
    _spec_maxReplicas=MOST,
    _spec_metrics_0_containerResource_target_averageValue="300m",
    _spec_behavior_scaleDown_stabilizationWindowSeconds=PAUSE,
    _spec_behavior_scaleDown_policies_0_periodSeconds=PAUSE,
)
COUNTS = changed(
    "ScaledObject",
    _spec_minReplicaCount=0,
    _spec_maxReplicaCount=MOST,
    _spec_cooldownPeriod=PAUSE,
    _spec_advanced_horizontalPodAutoscalerConfig_behavior_scaleDown_stabilizationWindowSeconds=PAUSE,
    _spec_advanced_horizontalPodAutoscalerConfig_behavior_scaleDown_policies_0_periodSeconds=PAUSE,
)


@pytest.fixture(scope="module")
def by_processors(lasting_trial: Trial) -> Iterator[UnderTest]:
    """An instance with autoscaling-hpa."""
    plan = plan_from_environment()
    metrics_server.up(plan)
    made = lasting_trial.instance(NAME, "autoscaling-hpa", replicas=NOT_NEEDED, patches=[PROCESSORS])
    yield lasting_trial.run(made, load=LOAD)
    metrics_server.down(plan)


@pytest.fixture
def by_counts(by_processors: UnderTest, tmp_path: Path) -> Iterator[UnderTest]:
    """The same instance with autoscaling-keda instead."""
    plan = plan_from_environment()
    keda.up(plan)
    instance = by_processors.instance
    instance.kubectl("delete", "horizontalpodautoscaler", f"{NAME}-worker")
    make_role(instance)
    components, fields = ["autoscaling-keda"], {"replicas": NOT_NEEDED, "patches": [COUNTS]}
    overlay = dev_overlay(tmp_path, NAME, namespace=NAME, components=components, **fields)
    Instance.of_overlay(instance.cluster, overlay).apply()
    yield by_processors
    keda.down(plan)


def make_role(instance: Instance) -> None:
    """As the component's README says."""
    password = secrets.token_hex(24)
    client = f"psql -U postgres -v ON_ERROR_STOP=1 -v password={password} airflow"
    script = f"PGPASSWORD=$(cat /etc/postgres/secrets/postgres-password) {client}"
    role = (CHECKOUT / "base/components/autoscaling-keda/role.sql").read_text()
    instance.kubectl("exec", "-i", f"{NAME}-postgres-0", "--", "sh", "-c", script, stdin=role)
    values = {"host": f"{NAME}-postgres.{NAME}.svc", "password": password}
    instance.kubectl("create", "secret", "generic", f"{NAME}-keda", *literals(values))


@dataclass(frozen=True)
class Load:
    """A run of more tasks than one worker takes."""

    under_test: UnderTest
    run: str

    @classmethod
    def start(cls, under_test: UnderTest, word: str) -> Load:
        under_test.let_go(word)
        under_test.wait_listed("load", under_test.commits[-1])
        return cls(under_test, under_test.airflow.trigger("load"))

    def tasks(self) -> list[Any]:
        path = f"/dags/load/dagRuns/{self.run}/taskInstances?limit=100"
        found: list[Any] = self.under_test.airflow.ask("GET", path)["task_instances"]
        return found

    def running(self) -> list[str]:
        """The workers of the tasks that run."""
        return [task["hostname"].split(".")[0] for task in self.tasks() if task["state"] == "running"]

    def wait_until_all_run(self) -> None:
        eventually(lambda: len(self.running()) == TASKS, "all tasks run", self.findings)
        assert set(self.running()) == {f"{NAME}-worker-{number}" for number in range(MOST)}

    def wait_for_a_busy_worker_to_leave(self) -> str:
        """A worker that must go while tasks of it run, and that is still there when a commit has been published."""

        def leaving() -> set[str]:
            return {name for name, goes in workers(self.under_test).items() if goes} & set(self.running())

        found: set[str] = eventually(leaving, "a busy worker is to leave", self.findings)
        self.under_test.wait_published(self.under_test.push(other=SAYING.format(name="other", mark=self.run)))
        assert min(found) in workers(self.under_test), self.findings()
        return min(found)

    def finish(self, left: int) -> None:
        """Let the tasks end: each at its first try, though its worker had to go; then ``left`` workers are left."""
        self.under_test.let_go()
        self.under_test.wait_run(self.run, "load")
        found = self.tasks()
        assert [task["state"] for task in found] == ["success"] * TASKS, self.findings()
        assert {task["try_number"] for task in found} == {1}, self.findings()
        wait_for_workers(self.under_test, left)

    def findings(self) -> str:
        tasks = [(task["state"], task["try_number"], task["hostname"]) for task in self.tasks()]
        return f"{tasks}\n{scalers(self.under_test)}"


def workers(under_test: UnderTest) -> dict[str, bool]:
    """The workers' pods, and whether each is to leave."""
    selector = f"app.kubernetes.io/component=worker,{under_test.instance.selector}"
    pods = [pod["metadata"] for pod in under_test.instance.get("pods", "--selector", selector)["items"]]
    return {pod["name"]: "deletionTimestamp" in pod for pod in pods}


def wait_for_workers(under_test: UnderTest, number: int) -> None:
    wanted = {f"{NAME}-worker-{each}": False for each in range(number)}
    eventually(lambda: workers(under_test) == wanted, f"{number} workers", lambda: scalers(under_test))


def scalers(under_test: UnderTest) -> str:
    return f"{workers(under_test)}\n{under_test.instance.kubectl('describe', 'horizontalpodautoscalers')}"


def test_workers_are_as_many_as_busy_processors_call_for(by_processors: UnderTest) -> None:
    """autoscaling-hpa: 1. busy tasks for three workers make three of one; 2. when they only wait, a worker is to
    leave; 3. its tasks end where they began, and one worker is left."""
    instance = by_processors.instance
    eventually(lambda: f"{NAME}-worker-0" in instance.kubectl("top", "pods"), "kubectl top", by_processors.findings)
    wait_for_workers(by_processors, 1)
    load = Load.start(by_processors, "burn")
    load.wait_until_all_run()
    by_processors.let_go("wait")
    load.wait_for_a_busy_worker_to_leave()
    load.finish(left=1)


def test_workers_are_as_many_as_tasks_call_for(by_counts: UnderTest) -> None:
    """autoscaling-keda: 1. without tasks there is no worker, and a commit is published; 2. tasks for three workers make
    three, by what the database says; 3. those of two workers end: the third is to leave; 4. its tasks end where they
    began, and no worker is left."""
    eventually(lambda: ready(by_counts), "the ScaledObject is ready", lambda: scalers(by_counts))
    wait_for_workers(by_counts, 0)
    by_counts.wait_published(by_counts.push(load=f"{LOAD}# again\n"))
    load = Load.start(by_counts, "wait")
    load.wait_until_all_run()
    by_counts.let_go(f"{NAME}-worker-0 {NAME}-worker-1")
    assert load.wait_for_a_busy_worker_to_leave() == f"{NAME}-worker-2"
    load.finish(left=0)


def ready(under_test: UnderTest) -> bool:
    status = under_test.instance.get("scaledobject", f"{NAME}-worker").get("status", {})
    return ("Ready", "True") in {(each["type"], each["status"]) for each in status.get("conditions", [])}
