"""`from-helm` lists as written only what has an effect, and begins with what must be done first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.unit.test_from_helm import overlay_of

if TYPE_CHECKING:
    from pathlib import Path

EXTERNAL = {"data": {"metadataConnection": {"host": "db.example.org"}}}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"redis": {"resources": {"limits": {"memory": "1Gi"}}}},
            "redis.resources: no effect, because there is no redis without",
        ),
        ({"pgbouncer": {"replicas": 2}}, "pgbouncer.replicas: no effect, because there is no pgbouncer without"),
        (
            {"executor": "LocalExecutor", "workers": {"resources": {"limits": {"memory": "1Gi"}}}},
            "workers.resources: no effect, because there is no worker with the component executor-local",
        ),
        (
            {"executor": "KubernetesExecutor", "workers": {"replicas": 3}},
            "workers.replicas: no effect, because another component says how many there are",
        ),
        (
            {"redis": {"enabled": True}, "data": {"brokerUrl": "redis://cache.example.org:6379/0"}},
            "redis.enabled: no effect, because the overlay is without the component redis",
        ),
        (
            {**EXTERNAL, "postgresql": {"primary": {"resources": {"limits": {"memory": "1Gi"}}}}},
            "postgresql.primary.resources: no effect, because there is no postgres with the component",
        ),
        ({"executor": "LocalExecutor", "flower": {"enabled": False}}, "flower.enabled: no effect, because there is no"),
    ],
)
def test_what_has_no_effect_is_not_called_written(values: dict[str, Any], sentence: str) -> None:
    overlay, said = overlay_of(values, "official")
    name = sentence.partition(":")[0]
    written = said.partition("# Written")[2].partition("\n#")[0]
    assert sentence in said
    assert name not in written
    patched = [each for each, patch in overlay.workloads.items() if patch["spec"]]
    assert not patched


def test_missing_repository_and_a_database_in_use_are_said_first() -> None:
    _overlay, said = overlay_of(EXTERNAL, "official")
    first = said.partition("\n# Written")[0]
    assert "the values name no DAG repository" in first
    assert "the database at db.example.org belongs to the old release" in first


def test_persistent_logs_have_their_claim_as_a_file_beside_the_overlay(tmp_path: Path) -> None:
    persistence = {"enabled": True, "size": "7Gi", "storageClassName": "shared"}
    overlay, said = overlay_of({"logs": {"persistence": persistence}}, "official")
    overlay.write(tmp_path / "overlay")
    claim = yaml.safe_load((tmp_path / "overlay/logs-claim.yaml").read_text())
    assert claim["metadata"] == {"name": "mine-logs", "namespace": "airflow"}
    assert claim["spec"]["resources"] == {"requests": {"storage": "7Gi"}}
    assert claim["spec"]["storageClassName"] == "shared"
    assert "logs-claim.yaml" in said.partition("\n# Written")[0]
    assert "logs-claim.yaml" not in (tmp_path / "overlay/kustomization.yaml").read_text()


@pytest.mark.parametrize(("tier", "workload"), [("dagProcessor", "dag-processor"), ("triggerer", "triggerer")])
def test_volumes_of_a_tier_are_written_for_it(tier: str, workload: str) -> None:
    volume, mount = {"name": "x", "emptyDir": {}}, {"name": "x", "mountPath": "/x"}
    overlay, _said = overlay_of({tier: {"extraVolumes": [volume], "extraVolumeMounts": [mount]}}, "official")
    assert overlay.pod(workload)["volumes"] == [volume]
    assert overlay.container(workload, "airflow")["volumeMounts"] == [mount]


def test_a_tier_that_is_off_has_no_pods_where_airflow_can_do_without() -> None:
    overlay, said = overlay_of({"triggerer": {"enabled": False}, "scheduler": {"enabled": False}}, "official")
    assert overlay.workloads["triggerer"]["spec"] == {"replicas": 0}
    assert "scheduler" not in overlay.workloads
    assert "scheduler.enabled is off there: Airflow 3 does not run without it" in said


def test_variables_of_one_workload_are_not_given_to_all() -> None:
    overlay, said = overlay_of({"workers": {"env": [{"name": "A", "value": "b"}]}}, "official")
    assert not overlay.settings
    assert "workers.env: variables of one workload alone" in said
