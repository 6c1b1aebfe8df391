"""Kustomize builds the overlays that `from-helm` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hack.operate.helm.overlay import Overlay
from hack.operate.helm.translate import translate
from tests.manifests.stack import ROOT, build, environment, names, of_kind, tier, tiers
from tests.unit.test_from_helm import COMMUNITY, OFFICIAL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.manifests.stack import Object


def built(values: dict[str, Any], chart: str, directory: Path) -> tuple[Object, ...]:
    overlay = Overlay("mine", "data", ROOT / "base")
    translate(values, overlay, chart)
    overlay.write(directory / "overlay")
    return build(directory / "overlay")


@pytest.mark.parametrize(("values", "chart"), [(OFFICIAL, "official"), (COMMUNITY, "community")])
def test_the_overlay_builds_under_its_name(values: dict[str, Any], chart: str, tmp_path: Path) -> None:
    objects = built(values, chart, tmp_path)
    assert {each["metadata"]["namespace"] for each in objects} == {"data"}
    assert all(each["metadata"]["name"].startswith("mine-") for each in objects)
    scheduler = tiers(objects)["scheduler"]["containers"][0]
    found = environment(objects, scheduler)
    assert found["AIRFLOW__CORE__PARALLELISM"] == ("64" if chart == "official" else "8")
    assert found["POSTGRES_HOST"] == "db.example.org"
    assert not {"mine-postgres", "mine-rabbitmq", "mine-redis"} & names(objects, "StatefulSet")


def test_what_is_for_every_pod_reaches_every_pod(tmp_path: Path) -> None:
    pods = tiers(built(COMMUNITY, "community", tmp_path))
    for each in ("scheduler", "worker", "triggerer", "api-server", "dag-processor"):
        assert pods[each]["tolerations"] == [{"key": "airflow", "operator": "Exists"}]
        assert len(pods[each]["containers"][0]["volumeMounts"]) > 2  # a patch adds, and replaces nothing


def test_the_host_of_the_page_is_that_of_the_chart(tmp_path: Path) -> None:
    objects = built(OFFICIAL, "official", tmp_path)
    (ingress,) = of_kind(objects, "Ingress")
    assert ingress["metadata"]["annotations"] == {"example.org/body-size": "8"}
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["spec"]["tls"] == [{"hosts": ["data.example.org"], "secretName": "data-tls"}]
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == ["data.example.org"]
    found = environment(objects, tiers(objects)["api-server"]["containers"][0])
    assert found["AIRFLOW__API__BASE_URL"] == "https://data.example.org/airflow"


def test_autoscalers_have_the_bounds_of_the_chart(tmp_path: Path) -> None:
    keda = {"enabled": True, "minReplicaCount": 0, "maxReplicaCount": 7, "cooldownPeriod": 40, "usePgbouncer": True}
    (counts,) = of_kind(built({"workers": {"keda": keda}}, "official", tmp_path / "keda"), "ScaledObject")
    found = {name: counts["spec"][name] for name in ("minReplicaCount", "maxReplicaCount", "cooldownPeriod")}
    assert found == {name: keda[name] for name in found}
    hpa = {"enabled": True, "minReplicaCount": 3, "maxReplicaCount": 9}
    (processors,) = of_kind(built({"workers": {"hpa": hpa}}, "official", tmp_path / "hpa"), "HorizontalPodAutoscaler")
    assert (processors["spec"]["minReplicas"], processors["spec"]["maxReplicas"]) == (3, 9)


@pytest.mark.parametrize("executor", ["LocalExecutor", "KubernetesExecutor"])
def test_another_executor_with_values_for_workers_builds(executor: str, tmp_path: Path) -> None:
    values = {**OFFICIAL, "executor": executor, "workers": {"replicas": 3, "keda": {"enabled": True}}}
    objects = built(values, "official", tmp_path)
    workers = [each["spec"].get("replicas") for each in of_kind(objects, "StatefulSet") if tier(each) == "worker"]
    assert workers == ([0] if executor == "KubernetesExecutor" else [])
