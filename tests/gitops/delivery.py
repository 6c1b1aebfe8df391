"""The tests that both tools must pass with prod. Each test continues the one before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from hack.lab.images import catalog
from hack.lab.node import build
from hack.lab.node import images as node_images
from hack.lab.stack import dags
from hack.progress import step
from tests.cluster.instances import eventually
from tests.gitops.observed import data, images, pods, rolled, versions
from tests.gitops.trial import PREFIX, without

if TYPE_CHECKING:
    from hack.lab.node.plan import Plan
    from hack.operate.instance import Instance
    from tests.gitops.trial import Repository

ROLL = 1200.0
"""Seconds in which every pod should have been replaced, one after the other, also on a busy machine."""
SETTING = "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT=900"
READERS = {"scheduler"}
AIRFLOW = {"api-server", "dag-processor", "scheduler", "triggerer", "worker"}
TAG = catalog.versions()["kube-airflow/airflow"]
OTHER_TAG = f"{TAG}-again"
FLOWER = {"Deployment.apps": "apps/v1", "Service": "v1"}


class Tool(Protocol):
    """What deploys the trial."""

    def wait_done(self, revision: str) -> None:
        """Wait until all of a revision is deployed and works."""

    def look_again(self) -> None:
        """Have it compare everything once more, several times; each time it must find nothing to do."""

    def objects(self) -> set[str]:
        """What it has deployed, as `Kind.group/name`."""

    def findings(self) -> str:
        """What it says is wrong, and the pods."""


class Delivery:
    """The tests of both tools; the module of each has the fixture `tool`."""

    def test_1_prod_starts(self, tool: Tool, instance: Instance, repository: Repository) -> None:
        begun = time.monotonic()
        with step("the first start") as current:
            git_server = f"{PREFIX}git-server"
            server = ("statefulset", git_server)
            eventually(lambda: instance.get(*server)["status"].get("readyReplicas"), git_server, tool.findings)
            dags.push_example(instance)
            dags.look(instance)
            tool.wait_done(repository.head)
            current.result = f"after {time.monotonic() - begun:.0f} s, {len(tool.objects())} objects"

    def test_2_nothing_differs_and_nothing_is_done_again(self, tool: Tool, instance: Instance) -> None:
        before = pods(instance), versions(instance, tool.objects())
        tool.look_again()
        assert (pods(instance), versions(instance, tool.objects())) == before

    def test_3_a_setting_rolls_only_its_readers(self, tool: Tool, instance: Instance, repository: Repository) -> None:
        before = pods(instance)
        changed = {"name": "scheduler-env", "behavior": "merge", "literals": [SETTING]}
        with step("a changed setting") as current:
            tool.wait_done(repository.change("Change the scheduler", configMapGenerator=[changed]))
            current.result = "healthy"
        assert rolled(before, pods(instance)) == READERS

    def test_4_an_image_rolls_what_runs_it(
        self, tool: Tool, instance: Instance, repository: Repository, plan: Plan
    ) -> None:
        before, kept = pods(instance), data(instance)
        name = "docker.io/kube-airflow/airflow"
        tag = ("images", "tag", "--force", f"{name}:{TAG}", f"{name}:{OTHER_TAG}")
        node_images.ctr(plan, build.binaries(plan.cache), *tag)
        with step("another image") as current:
            image = {"name": "kube-airflow/airflow", "newTag": OTHER_TAG}
            tool.wait_done(repository.change("Change the image", images=[image]))
            current.result = "healthy"
        replaced = rolled(before, pods(instance))
        assert replaced >= AIRFLOW
        assert not {"postgres", "rabbitmq"} & replaced
        assert "migrate" in replaced
        assert data(instance) == kept

    def test_5_a_revert_brings_back_what_was(self, tool: Tool, instance: Instance, repository: Repository) -> None:
        with step("a revert") as current:
            tool.wait_done(repository.revert())
            current.result = "healthy"
        assert not [image for image in images(instance) if image.endswith(OTHER_TAG)]

    def test_6_what_a_commit_removes_goes_and_data_stays(
        self, tool: Tool, instance: Instance, repository: Repository
    ) -> None:
        before, kept = tool.objects(), data(instance)
        patches = [without(kind.partition(".")[0], version, f"{PREFIX}flower") for kind, version in FLOWER.items()]
        tool.wait_done(repository.change("Remove Flower", patches=patches))
        gone = {each for each in before - tool.objects() if not each.startswith("ConfigMap/")}
        assert gone == {f"{kind}/{PREFIX}flower" for kind in FLOWER}
        selector = "app.kubernetes.io/component=flower"
        eventually(lambda: not instance.get("deployment,service", "--selector", selector)["items"], "Flower is gone")
        assert data(instance) == kept


def assert_only_data_is_left(instance: Instance, kept: dict[str, str]) -> None:
    """Wait until the pods are gone; ``kept`` is what was there before."""
    eventually(lambda: not pods(instance), "no pods are left", lambda: instance.kubectl("get", "pods"))
    assert data(instance) == kept
    assert {f"PersistentVolumeClaim/data-{PREFIX}{server}-0" for server in ("postgres", "rabbitmq")} <= kept.keys()
