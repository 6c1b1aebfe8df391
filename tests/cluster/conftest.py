"""`overlays/dev` as it is, and a second instance beside it in the same namespace, on the node that `make test` made."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from hack.progress import step
from hack.stack.cluster import Cluster, connected
from hack.stack.instance import CHECKOUT, Instance
from tests.cluster.instances import SAYING, UnderTest

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
    """`overlays/dev` under another name, with a second source, and two settings changed."""
    overlay = directory / "unlocked"
    shutil.copytree(CHECKOUT / "overlays" / "dev", overlay)
    base = os.path.relpath(CHECKOUT / "base", overlay.resolve())
    replace(overlay / "kustomization.yaml", "../../base", base)
    replace(overlay / "kustomization.yaml", "dev-", "unlocked-")
    replace(
        overlay / "kustomization.yaml",
        "configurations:",
        f"components:\n  - {base}/components/gitsync-restart\nconfigurations:",
    )
    replace(overlay / "kustomization.yaml", "kube-airflow/instance: dev", "kube-airflow/instance: unlocked")
    settings = (overlay / "gitsync.yaml").read_text()
    first = settings[settings.index("  - name: dags") : settings.index("database:")]
    first = first.replace("    period: 5\n", "    period: 5\n    policy: {scope: off, versioned: false}\n")
    second = first.replace("name: dags", "name: extra").replace("ref: main", "ref: extra\n    restart: auto")
    (overlay / "gitsync.yaml").write_text(f"sources:\n{first}{second}{settings[settings.index('database:') :]}")
    with (overlay / "kustomization.yaml").open("a") as kustomization:
        kustomization.write(UNVERSIONED)
    return overlay


UNVERSIONED = """
  - target: {kind: ConfigMap, name: dags}
    patch: |-
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: dags}
      data:
        AIRFLOW__DAG_PROCESSOR__DISABLE_BUNDLE_VERSIONING: "True"
        AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST: >-
          [{"name": "dags", "classpath": "gitsync.airflow.GitSyncBundle", "kwargs": {"root": "/dags/dags"}},
          {"name": "extra", "classpath": "gitsync.airflow.GitSyncBundle", "kwargs": {"root": "/dags/extra"}}]
  - target: {kind: Deployment|StatefulSet, name: dag-processor|worker|triggerer}
    patch: |-
      apiVersion: apps/v1
      kind: any
      metadata: {name: any}
      spec:
        template:
          spec:
            initContainers:
              - name: gitsync
                args:
                  - sidecar
                  - --controller=http://$(GITSYNC_HOST):8080
                  - --source=dags=/dags/dags
                  - --source=extra=/dags/extra
"""


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new))
