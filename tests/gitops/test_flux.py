"""Flux decrypts prod's Secrets, deploys prod, follows commits, and leaves data alone."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from hack.lab.addons import flux
from tests.cluster.instances import PATIENCE, eventually
from tests.gitops.delivery import Delivery, assert_only_data_is_left
from tests.gitops.kustomizations import INSTANCE, SECRETS, SOURCE, Kustomizations
from tests.gitops.observed import data, waits
from tests.gitops.sops import decrypted, fill
from tests.gitops.trial import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.lab.node.plan import Plan
    from hack.operate.cluster import Cluster
    from hack.operate.instance import Instance
    from tests.gitops.trial import Repository


@pytest.fixture(scope="module")
def controllers(plan: Plan) -> Iterator[None]:
    try:
        flux.up(plan)
        yield
    finally:
        flux.down(plan)


@pytest.fixture(scope="module")
def tool(
    cluster: Cluster,
    instance: Instance,
    repository: Repository,
    address: str,
    controllers: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Kustomizations:
    fill(repository.work / "secrets", tmp_path_factory.mktemp("plain"))
    repository.change("Add the Secrets")
    return Kustomizations.create(cluster, address)


class TestFlux(Delivery):
    """Two Kustomizations: the Secrets, and what needs them."""

    def test_7_a_commit_that_cannot_work_does_not_hold_up_its_cure(
        self, tool: Kustomizations, instance: Instance, repository: Repository
    ) -> None:
        image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "kube-airflow/none:1"}
        target = {"kind": "Deployment", "name": f"{PREFIX}api-server"}
        repository.change("Break the image", patches=[{"target": target, "patch": json.dumps([image])}])
        tool.request(SOURCE)
        eventually(lambda: waits(instance) & {"ErrImagePull", "ImagePullBackOff"}, "a pod waits", tool.findings)
        tool.wait_done(repository.revert(), PATIENCE)  # less than a Deployment takes to be given up

    def test_8_the_secrets_are_those_of_the_repository(
        self, tool: Kustomizations, instance: Instance, repository: Repository
    ) -> None:
        files = {f"Secret/{file.stem}": file for file in (repository.work / "secrets" / "prod").glob("*.yaml")}
        assert tool.objects(SECRETS) == files.keys()
        for name, file in files.items():
            found = {key: base64.b64decode(value).decode() for key, value in instance.get(name)["data"].items()}
            assert found == decrypted(file)["stringData"]

    def test_9_removing_the_kustomizations_leaves_data(self, tool: Kustomizations, instance: Instance) -> None:
        kept = data(instance)
        tool.kubectl("delete", "kustomization", INSTANCE, SECRETS, "--timeout=240s")
        assert_only_data_is_left(instance, kept)
        left = "deployment,statefulset,service,job,networkpolicy,serviceaccount"
        eventually(lambda: not instance.get(left, "--selector", instance.selector)["items"], "nothing else is left")
