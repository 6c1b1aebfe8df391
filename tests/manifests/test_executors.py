"""Executors without Celery: the removed objects, the pod of a task, and the revision that it starts with."""

from __future__ import annotations

import copy
import json
import runpy
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import models

from tests.manifests.stack import ROOT, build, containers, environment, name, names, of_kind, secret_files, tiers
from tests.manifests.test_components import overlay_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.manifests.stack import Object

KUBERNETES = ROOT / "base/components/executor-kubernetes"
REVISION = "0123456789abcdef0123456789abcdef01234567"


def built(directory: Path, *components: str) -> tuple[Object, ...]:
    """Return the base with these components, in this order."""
    return build(overlay_of(components, directory))


@pytest.mark.parametrize("executor", ["executor-kubernetes", "executor-local"])
def test_nothing_of_celery_is_left(executor: str, tmp_path: Path) -> None:
    objects = built(tmp_path, executor)
    assert not {"rabbitmq", "flower"} & {each.removeprefix("qq-9-") for each in names(objects, "Service")}
    for tier, pod in tiers(objects).items():
        for container in containers(pod):
            assert not [key for key in environment(objects, container) if "CELERY" in key or "RABBIT" in key], tier
        if tier != "postgres":  # which makes the role that Celery's results would need
            files = {file for volume in secret_files(pod).values() for file in volume}
            assert not files & {"celery-password", "rabbitmq-password"}, tier


def task_pod(objects: tuple[Object, ...]) -> Object:
    """Return what the scheduler's init container makes of the workers' template."""
    (worker,) = (each for each in of_kind(objects, "StatefulSet") if name(each).endswith("-worker"))
    convert = runpy.run_path(str(KUBERNETES / "pod_template.py"))["task_pod"]
    pod: Object = convert(copy.deepcopy(worker["spec"]["template"]))
    return pod


def test_a_task_is_what_a_worker_would_be_but_it_ends(tmp_path: Path) -> None:
    pod = task_pod(built(tmp_path, "executor-kubernetes"))
    model: Any = models.V1Pod
    model.model_validate(pod)
    assert pod["spec"]["restartPolicy"] == "Never"
    assert [each["name"] for each in containers(pod["spec"])] == ["gitsync", "base"]
    for container in containers(pod["spec"]):
        assert not container.keys() & {"startupProbe", "readinessProbe", "livenessProbe", "restartPolicy", "ports"}
    assert secret_files(pod["spec"]).keys() == {"gitsync-token"}
    assert "kube-airflow/gitsync" not in pod["metadata"]["labels"], "publications would wait for it"


@pytest.mark.parametrize("other", ["high-availability", "gitsync-restart"])
def test_no_component_starts_workers_for_kubernetes(other: str, tmp_path: Path) -> None:
    for order in ("executor-kubernetes", other), (other, "executor-kubernetes"):
        objects = built(tmp_path, *order)
        (worker,) = (each for each in of_kind(objects, "StatefulSet") if name(each).endswith("-worker"))
        assert worker["spec"]["replicas"] == 0, order


def mutated(objects: tuple[Object, ...], version: str | None, **labels: str) -> Any:
    """Return gitsync's container after Airflow's hook, called as the executor does."""
    hook = runpy.run_path(str(KUBERNETES / "airflow_local_settings.py"))["pod_mutation_hook"]
    pod = task_pod(objects)
    stage, base = (models.V1Container(name=each["name"], args=each["args"]) for each in containers(pod["spec"]))
    workload = {"bundle_info": {"name": "dags", "version": version}}
    base.args = ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string", json.dumps(workload)]
    spec = models.V1PodSpec(containers=[base], init_containers=[stage])
    hook(models.V1Pod(metadata=models.V1ObjectMeta(labels=labels), spec=spec))
    return stage


@pytest.mark.parametrize(
    ("version", "staged"),
    [pytest.param(REVISION, REVISION, id="versioned"), pytest.param(None, "current", id="unversioned")],
)
def test_the_pod_stages_the_revision_of_its_run(
    version: str | None, staged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = built(tmp_path, "executor-kubernetes")
    (scheduler,) = (each for each in tiers(objects)["scheduler"]["containers"] if each["name"] == "airflow")
    for key, value in environment(objects, scheduler).items():
        monkeypatch.setenv(key, value)
    container = mutated(objects, version, kubernetes_executor="True")
    assert container.args == [
        "stage", staged, "--controller", "http://$(GITSYNC_HOST):8080", "--root", "/dags", "--source", "dags",
    ]  # fmt: skip


def test_pods_of_operators_are_left_alone(tmp_path: Path) -> None:
    objects = built(tmp_path, "executor-kubernetes")
    assert mutated(objects, REVISION).args[:2] == ["stage", "UNKNOWN"]


def test_the_scheduler_is_told_again_when_what_tasks_list_changes(tmp_path: Path) -> None:
    """It reads the template when it starts: one with the name of a ConfigMap that is gone would fail every task."""
    objects = built(tmp_path, "executor-kubernetes")
    scheduler = tiers(objects)["scheduler"]
    (reader,) = (each for each in scheduler["initContainers"] if each["name"] == "pod-template")
    listed = {
        each["configMapRef"]["name"]
        for container in (reader, *scheduler["containers"])
        for each in container["envFrom"]
    }
    used = {
        each["configMapRef"]["name"]
        for container in containers(task_pod(objects)["spec"])
        for each in container["envFrom"]
    }
    assert used <= listed


def test_only_what_talks_to_kubernetes_has_a_token(tmp_path: Path) -> None:
    pods = tiers(built(tmp_path, "executor-kubernetes"))
    assert not [tier for tier, pod in pods.items() if pod["automountServiceAccountToken"]]
    accounts = {tier: pod["serviceAccountName"] for tier, pod in pods.items() if "serviceAccountName" in pod}
    assert accounts == {each: f"qq-9-{each}" for each in ("api-server", "gitsync", "scheduler")}
    tokens = {tier for tier, pod in pods.items() if "serviceAccountToken" in str(pod["volumes"])}
    assert tokens == accounts.keys()


def test_the_local_executors_scheduler_is_a_member_and_serves_logs(tmp_path: Path) -> None:
    objects = built(tmp_path, "executor-local")
    pod = tiers(objects)["scheduler"]
    assert [each["name"] for each in pod["initContainers"]] == ["gitsync", "wait"]
    assert {"api-secret-key", "jwt-secret"} <= secret_files(pod)["secrets"].keys()
    (airflow,) = pod["containers"]
    assert {each["name"] for each in airflow["ports"]} == {"health", "logs"}
    assert "worker" not in tiers(objects)
