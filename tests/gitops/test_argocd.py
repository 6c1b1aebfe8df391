"""Argo CD deploys prod, follows commits, and never touches data. Each test goes on where the one before ended."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from hack.node import build, images
from hack.progress import step
from hack.stack import dags
from tests.cluster.instances import eventually
from tests.gitops.application import Application
from tests.gitops.trial import PREFIX, without

if TYPE_CHECKING:
    from hack.node.plan import Plan
    from hack.stack.cluster import Cluster
    from hack.stack.instance import Instance
    from tests.gitops.trial import Repository

READERS = {"scheduler"}
OTHER_TAG = "3.3.2-again"


@pytest.fixture(scope="module")
def application(cluster: Cluster, instance: Instance, address: str, argo: None) -> Application:
    return Application.create(cluster, address)


def pods(instance: Instance) -> dict[str, set[str]]:
    """Return the pods of each tier that are to stay, by their identity."""
    found: dict[str, set[str]] = {}
    for each in instance.get("pods", "--selector", instance.selector)["items"]:
        meta = each["metadata"]
        if "deletionTimestamp" not in meta and each["status"]["phase"] != "Succeeded":
            found.setdefault(meta["labels"]["app.kubernetes.io/component"], set()).add(meta["uid"])
    return found


def data(instance: Instance) -> dict[str, str]:
    """Return claims and Secrets by their identity."""
    items = instance.get("persistentvolumeclaims,secrets")["items"]
    return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["uid"] for each in items}


def rolled(before: dict[str, set[str]], after: dict[str, set[str]]) -> set[str]:
    return {tier for tier in before if not before[tier] & after.get(tier, set())}


def test_1_prod_becomes_healthy(application: Application, instance: Instance, repository: Repository) -> None:
    begun = time.monotonic()
    with step("Synced and Healthy") as current:
        application.refresh()
        git_server = f"{PREFIX}git-server"
        eventually(lambda: instance.get("statefulset", git_server)["status"].get("readyReplicas"), git_server)
        dags.push_example(instance)
        dags.look(instance)
        application.wait_done(repository.head)
        current.result = f"after {time.monotonic() - begun:.0f} s, {len(application.objects())} objects"


def test_2_nothing_differs_and_nothing_is_done_again(application: Application, instance: Instance) -> None:
    before, finished = pods(instance), application.finished()
    for how in ("normal", "hard", "normal"):
        application.refresh(how)
        assert application.state()[1:] == ("Synced", "Healthy"), application.findings()
    assert (pods(instance), application.finished()) == (before, finished)


def test_3_a_setting_rolls_only_its_readers(
    application: Application, instance: Instance, repository: Repository
) -> None:
    before = pods(instance)
    setting = "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT=900"
    changed = {"name": "scheduler-env", "behavior": "merge", "literals": [setting]}
    with step("a changed setting") as current:
        application.wait_done(repository.change("Change the scheduler", configMapGenerator=[changed]))
        current.result = "healthy"
    assert rolled(before, pods(instance)) == READERS


def test_4_an_image_rolls_what_runs_it(
    application: Application, instance: Instance, repository: Repository, plan: Plan
) -> None:
    before, kept = pods(instance), data(instance)
    jobs = {each for each in application.objects() if each.startswith("Job/")}
    name = "docker.io/kube-airflow/airflow"
    images.ctr(plan, build.binaries(plan.cache), "images", "tag", "--force", f"{name}:3.3.2", f"{name}:{OTHER_TAG}")
    with step("another image") as current:
        image = {"name": "kube-airflow/airflow", "newTag": OTHER_TAG}
        application.wait_done(repository.change("Change the image", images=[image]))
        current.result = "healthy"
    assert {"api-server", "dag-processor", "scheduler", "triggerer", "worker"} <= rolled(before, pods(instance))
    assert not {"postgres", "rabbitmq"} & rolled(before, pods(instance))
    assert not {each for each in application.objects() if each.startswith("Job/")} & jobs, "the old Job is still there"
    assert data(instance) == kept


def test_5_a_revert_brings_back_what_was(application: Application, instance: Instance, repository: Repository) -> None:
    with step("a revert") as current:
        application.wait_done(repository.revert())
        current.result = "healthy"
    used = {
        container["image"]
        for each in instance.get("pods", "--selector", instance.selector)["items"]
        for container in each["spec"]["containers"]
    }
    assert not [image for image in used if image.endswith(OTHER_TAG)], used


def test_6_what_a_commit_removes_goes_and_data_stays(
    application: Application, instance: Instance, repository: Repository
) -> None:
    before, kept = application.objects(), data(instance)
    removed = {"Deployment": "apps/v1", "Service": "v1"}
    patches = [without(kind, version, f"{PREFIX}flower") for kind, version in removed.items()]
    application.wait_done(repository.change("Remove Flower", patches=patches))
    gone = {each for each in before - application.objects() if not each.startswith("ConfigMap/")}
    assert gone == {f"{kind}/{PREFIX}flower" for kind in removed}
    eventually(lambda: not instance.get("deployment", "--selector", "app.kubernetes.io/component=flower")["items"], "")
    assert data(instance) == kept


def test_7_removing_the_application_with_all_it_made_leaves_data(application: Application, instance: Instance) -> None:
    kept = data(instance)
    finalizer = {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io/foreground"]}}
    application.kubectl("patch", "application", application.name, "--type=merge", f"--patch={json.dumps(finalizer)}")
    application.kubectl("delete", "application", application.name, "--timeout=240s")
    eventually(lambda: not pods(instance), "no pods are left", lambda: instance.kubectl("get", "pods"))
    assert data(instance) == kept
    assert {f"PersistentVolumeClaim/data-{PREFIX}{server}-0" for server in ("postgres", "rabbitmq")} <= kept.keys()
