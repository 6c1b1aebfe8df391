"""Argo CD deploys prod, follows commits, and leaves data alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hack.lab.addons import argocd
from hack.operate import secrets
from tests.gitops.application import Application
from tests.gitops.delivery import Delivery, assert_only_data_is_left
from tests.gitops.observed import data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.lab.node.plan import Plan
    from hack.operate.cluster import Cluster
    from hack.operate.instance import Instance


@pytest.fixture(scope="module")
def argo(plan: Plan) -> Iterator[None]:
    try:
        argocd.up(plan)
        yield
    finally:
        argocd.down(plan)


@pytest.fixture(scope="module")
def tool(cluster: Cluster, instance: Instance, address: str, argo: None) -> Application:
    secrets.provide(instance, dev=True)
    return Application.create(cluster, address)


class TestArgoCD(Delivery):
    """One Application."""

    def test_7_removing_the_application_with_all_it_made_leaves_data(
        self, tool: Application, instance: Instance
    ) -> None:
        kept = data(instance)
        finalizer = {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io/foreground"]}}
        tool.kubectl("patch", "application", tool.name, "--type=merge", f"--patch={json.dumps(finalizer)}")
        tool.kubectl("delete", "application", tool.name, "--timeout=240s")
        assert_only_data_is_left(instance, kept)
