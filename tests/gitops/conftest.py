"""A node of its own, the trial's repository behind a Git server, and Argo CD beside the node's programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hack.gitops import argocd
from hack.node import lifecycle
from hack.node.plan import Plan, plan_from_environment
from hack.stack.__main__ import provide_images
from hack.stack.cluster import Cluster, embedded
from hack.stack.instance import CHECKOUT, Instance
from tests.gitops.git_server import serving
from tests.gitops.trial import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture(scope="session")
def instance(cluster: Cluster, repository: Repository) -> Instance:
    """The images, the namespace and the Secrets: what is there before any tool comes."""
    provide_images(Instance(cluster, repository.trial))
    cluster.run("apply", "-f", str(CHECKOUT / "overlays" / "namespace.yaml"))
    found = Instance(cluster, CHECKOUT / "overlays" / "prod")
    found.make_secrets("--dev")
    return found


@pytest.fixture(scope="session")
def repository(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="session")
def address(plan: Plan, repository: Repository) -> Iterator[str]:
    """The repository's address as the node sees it."""
    with serving(repository.work.parent, plan.host_address) as url:
        yield f"{url}/{repository.work.name}/.git"


@pytest.fixture(scope="session")
def argo(plan: Plan) -> Iterator[None]:
    try:
        argocd.up(plan)
        yield
    finally:
        argocd.down(plan)
