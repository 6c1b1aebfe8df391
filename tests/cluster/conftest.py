"""`overlays/dev` as it is, and a second instance beside it in the same namespace, on the node that `make test` made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from hack.progress import step
from hack.stack.cluster import Cluster, connected
from hack.stack.instance import CHECKOUT, Instance
from tests.cluster.instances import SAYING, UnderTest
from tests.cluster.overlays import dev_overlay, patch

if TYPE_CHECKING:
    from pathlib import Path

AWKWARD = "a\"b'c/d\\e@:#%? $x$(HOME)"
"""A password with everything that quoting, URLs, shells and Kubernetes' own expansion stumble over."""
PASSWORDS = (
    "postgres/postgres-password", "postgres/airflow-password", "postgres/celery-password",
    "postgres/gitsync-password", "rabbitmq/password", "airflow/api-secret-key", "airflow/admin-password",
    "gitsync/member", "gitsync/operator",
)  # fmt: skip


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    return connected()


@pytest.fixture(scope="session")
def dev(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> UnderTest:
    return UnderTest.connect(Instance(cluster, CHECKOUT / "overlays" / "dev"), tmp_path_factory.mktemp("dev") / "dags")


@pytest.fixture(scope="session")
def unlocked(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> UnderTest:
    """A second prefix in the namespace: awkward passwords, two sources, the lock off, bundles unversioned."""
    overlay = unlocked_overlay(tmp_path_factory.mktemp("overlays"))
    instance = Instance(cluster, overlay)
    options = [option for name in PASSWORDS for option in ("--value", f"{name}={AWKWARD}")]
    instance.make_secrets("--dev", *options)
    instance.apply()
    with step("second instance") as current:
        instance.wait_until_ready(current, only="git-server")
        under_test = UnderTest.connect(instance, tmp_path_factory.mktemp("unlocked") / "dags")
        under_test.push_lock_dag("one")
        under_test.push_elsewhere("extra", extra=SAYING.format(name="extra", mark="one"))
        instance.wait_until_ready(current)
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
