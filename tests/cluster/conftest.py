"""A node for tests with `overlays/dev`, and a second instance in the same namespace."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from hack.lab.stack.cluster import connected
from hack.operate import secrets
from hack.operate.instance import Instance
from hack.operate.overlay import CHECKOUT
from hack.progress import step
from tests.cluster.instances import SAYING, UnderTest
from tests.cluster.overlays import dev_overlay, patch
from tests.view import run_in_view

if TYPE_CHECKING:
    from pathlib import Path

    from hack.operate.cluster import Cluster

NODE = "kube-airflow-test"
AWKWARD = "a\"b'c/d\\e@:#%? $x$(HOME)"
"""A password with everything that quoting, URLs, shells and Kubernetes' own expansion stumble over."""
PASSWORDS = (
    "postgres/postgres-password", "postgres/airflow-password", "postgres/celery-password",
    "postgres/gitsync-password", "rabbitmq/password", "airflow/api-secret-key", "airflow/admin-password",
    "gitsync/member", "gitsync/operator",
)  # fmt: skip


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Cluster:
    """The node with `overlays/dev` on it, as `make up` brings it up; whoever started the tests removes it."""
    os.environ.setdefault("KUBE_AIRFLOW_NODE", NODE)
    run_in_view(pytestconfig, sys.executable, "-m", "hack.lab.stack", "up")
    return connected()


@pytest.fixture(scope="session")
def dev(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> UnderTest:
    return UnderTest.connect(
        Instance.of_overlay(cluster, CHECKOUT / "overlays" / "dev"), tmp_path_factory.mktemp("dev") / "dags"
    )


@pytest.fixture(scope="session")
def second(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """A second prefix in the namespace, applied: awkward passwords, two sources, the lock off, bundles unversioned."""
    instance = Instance.of_overlay(cluster, unlocked_overlay(tmp_path_factory.mktemp("overlays")))
    secrets.provide(instance, given=[f"{name}={AWKWARD}" for name in PASSWORDS])
    instance.apply()
    return instance


@pytest.fixture(scope="session", autouse=True)
def second_begun(request: pytest.FixtureRequest) -> None:
    """Have the second instance start while the first one is tested, where there are tests of both."""
    if any("unlocked" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("second")


@pytest.fixture(scope="session")
def unlocked(second: Instance, tmp_path_factory: pytest.TempPathFactory) -> UnderTest:
    """The second instance, at work."""
    with step("second instance") as current:
        second.wait_until_ready(current, only="git-server")
        under_test = UnderTest.connect(second, tmp_path_factory.mktemp("unlocked") / "dags")
        under_test.push_lock_dag("one")
        under_test.push_elsewhere("extra", extra=SAYING.format(name="extra", mark="one"))
        second.wait_until_ready(current)
    return under_test


def unlocked_overlay(directory: Path) -> Path:
    """`overlays/dev` under another name, with a second source, bundles unversioned, and the first one's lock off."""
    sources = [
        {"name": name, "classpath": "gitsync.airflow.GitSyncBundle", "kwargs": {"root": f"/dags/{name}"}}
        for name in ("dags", "extra")
    ]
    variables = {
        "AIRFLOW__DAG_PROCESSOR__DISABLE_BUNDLE_VERSIONING": "True",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(sources),
    }
    arguments = ["sidecar", "--controller=http://$(GITSYNC_HOST):8080", "--source=dags=/dags/dags"]
    sidecar = {"name": "gitsync", "args": [*arguments, "--source=extra=/dags/extra"]}
    pod = {"template": {"spec": {"initContainers": [sidecar]}}}
    overlay = dev_overlay(
        directory,
        "unlocked",
        components=["gitsync-restart"],
        patches=[
            patch("ConfigMap", "dags", data=variables),
            patch("Deployment|StatefulSet", "dag-processor|worker|triggerer", spec=pod),
        ],
    )
    file = overlay / "gitsync.yaml"
    settings = yaml.safe_load(file.read_text())
    (first,) = settings["sources"]
    settings["sources"] = [
        first | {"policy": {"scope": "off", "versioned": False}},
        first | {"name": "extra", "ref": "extra", "restart": "auto", "policy": {"versioned": False}},
    ]
    settings["lock"] = {"serialize_within": 120, "limit": 200}  # however slow the machine is
    file.write_text(json.dumps(settings))
    return overlay
