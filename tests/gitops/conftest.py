"""A node for Argo CD and Flux, one after the other, and a trial repository behind a Git server for each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hack.lab.node import lifecycle
from hack.lab.node.plan import Plan, plan_from_environment
from hack.lab.stack.__main__ import provide_images
from hack.lab.stack.cluster import embedded
from hack.operate.instance import Instance
from hack.operate.overlay import CHECKOUT
from tests.gitops.git_server import serving
from tests.gitops.trial import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.operate.cluster import Cluster

NODE = "kube-airflow-gitops"


@pytest.fixture(scope="session")
def plan() -> Iterator[Plan]:
    """The node, made if it is not there; it is removed again unless KEEP is set."""
    os.environ.setdefault("KUBE_AIRFLOW_NODE", NODE)
    plan = plan_from_environment()
    try:
        lifecycle.up(plan)
        yield plan
    finally:
        if not os.environ.get("KEEP"):
            lifecycle.clean(plan)


@pytest.fixture(scope="session")
def cluster(plan: Plan) -> Cluster:
    found = embedded(plan)
    os.environ["PATH"] = found.environment["PATH"]  # overlays are built with the node's kubectl
    return found


@pytest.fixture(scope="module")
def instance(cluster: Cluster, repository: Repository) -> Instance:
    """The images and an empty namespace: each tool begins anew."""
    provide_images(Instance.of_overlay(cluster, repository.trial))
    cluster.run("delete", "namespace", "airflow", "--ignore-not-found")
    cluster.run("apply", "-f", str(CHECKOUT / "overlays" / "namespace.yaml"))
    return Instance.of_overlay(cluster, CHECKOUT / "overlays" / "prod")


@pytest.fixture(scope="module")
def repository(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def address(plan: Plan, repository: Repository) -> Iterator[str]:
    """The repository's address as the node sees it."""
    with serving(repository.work.parent, plan.host_address) as url:
        yield f"{url}/{repository.work.name}/.git"
