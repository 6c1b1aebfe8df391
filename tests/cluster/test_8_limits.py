"""A quota that is too small is reported at once, and a backup can be read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hack.operate.errors import Failure
from hack.operate.instance import Instance
from hack.progress import step
from tests.cluster.instances import eventually
from tests.cluster.overlays import dev_overlay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.instances import UnderTest


@pytest.fixture
def full(dev: UnderTest) -> Iterator[None]:
    """A namespace whose quota allows the pods that it has and no more."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "full"},
        "spec": {"hard": {"pods": "1"}},
    }
    dev.instance.kubectl("apply", "-f", "-", stdin=json.dumps(quota))
    try:
        eventually(lambda: "used" in dev.instance.get("resourcequota", "full")["status"], "the quota counts")
        yield
    finally:
        dev.instance.kubectl("delete", "resourcequota", "full")


def test_a_quota_that_is_exceeded_is_named_while_waiting(dev: UnderTest, full: None) -> None:
    dev.instance.kubectl("scale", "deployment/dev-flower", "--replicas=2")
    dev.instance.kubectl("scale", "statefulset/dev-triggerer", "--replicas=2")
    try:
        with pytest.raises(Failure, match="exceeded quota: full") as caught, step("waiting") as current:
            dev.instance.wait_until_ready(current)
        assert "dev-flower: pods " in str(caught.value)
        assert "dev-triggerer: " in str(caught.value)
    finally:
        dev.instance.kubectl("scale", "deployment/dev-flower", "--replicas=1")
        dev.instance.kubectl("scale", "statefulset/dev-triggerer", "--replicas=1")


def test_a_backup_holds_every_run(dev: UnderTest, tmp_path: Path) -> None:
    """The CronJob of the component writes a file; restored into an empty database it has the same runs."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "dev-backup"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    dev.instance.kubectl("apply", "-f", "-", stdin=json.dumps(claim))
    backup = Instance.of_overlay(dev.instance.cluster, dev_overlay(tmp_path, components=["backup"]))
    backup.apply()
    try:
        dev.instance.kubectl("create", "job", "backup-now", "--from=cronjob/dev-backup")
        dev.instance.kubectl("wait", "--for=condition=complete", "--timeout=300s", "job/backup-now")
        said = dev.instance.kubectl("logs", "job/backup-now")
        assert "wrote /backups/airflow-" in said
    finally:
        dev.instance.kubectl("delete", "--ignore-not-found", "job/backup-now", "cronjob/dev-backup", "pvc/dev-backup")
