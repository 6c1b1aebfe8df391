"""`from-helm`: every value of a chart has a row, and each given value ends in the overlay or in a sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitsync.settings import load
from hack.operate.helm import sources, table, write
from hack.operate.helm.overlay import Overlay
from hack.operate.helm.translate import report, translate

BASE = Path(__file__).parents[2] / "base"
COMPONENTS = {path.parent.name for path in BASE.glob("components/*/kustomization.yaml")}
KEYS = yaml.safe_load((Path(__file__).parent / "helm_keys.yaml").read_text())
ROWS = {chart: table.load(chart) for chart in table.CHARTS}
NAMES = [
    (chart, f"{top}.{name}" if name else top)
    for chart, keys in KEYS.items()
    for top, names in keys.items()
    for name in names or [""]
]


def overlay_of(values: dict[str, Any], chart: str) -> tuple[Overlay, str]:
    overlay = Overlay("mine", "airflow", BASE)
    found, unknown = translate(values, overlay, chart)
    return overlay, "\n".join(report(values, found, unknown, overlay))


def test_every_name_of_a_charts_values_has_a_row() -> None:
    without = []
    for chart, name in NAMES:
        path = tuple(name.split("."))
        if not any(row.match(path) for row in ROWS[chart]):
            without.append(f"{chart}: {name}")
    assert not without


@pytest.mark.parametrize("chart", table.CHARTS)
def test_rows_name_components_that_exist(chart: str) -> None:
    text = (table.FOLDER / f"{chart}.yaml").read_text() + (table.FOLDER / "write.py").read_text()
    named = set(re.findall(r"(?:component|bundled|components?) `?([a-z]+(?:-[a-z]+)+|redis|ingress|metrics)\b", text))
    assert not named - COMPONENTS


@pytest.mark.parametrize("chart", table.CHARTS)
def test_what_rows_do_can_be_done(chart: str) -> None:
    for row in ROWS[chart]:
        if row.kind == "do":
            function, _arguments = write.action(row.action)
            assert callable(function)


OFFICIAL: dict[str, Any] = {
    "executor": "CeleryExecutor",
    "images": {"airflow": {"repository": "registry.example.org/airflow", "tag": "9"}},
    "env": [{"name": "AIRFLOW__CORE__PARALLELISM", "value": "64"}, {"name": "SOME_TOKEN", "value": "hidden-word"}],
    "secret": [{"envName": "WAREHOUSE", "secretName": "warehouse", "secretKey": "url"}],
    "config": {"core": {"executor": "X", "max_active_runs_per_dag": 4}, "logging": {"x": "{{ template }}"}},
    "data": {
        "metadataConnection": {
            "user": "af",
            "pass": "hidden-word",
            "host": "db.example.org",
            "port": 6432,
            "db": "meta",
        },
        "brokerUrl": "amqps://af:hidden-word@mq.example.org:5671/air",
    },
    "redis": {"enabled": True},
    "fernetKey": "hidden-word",
    "workers": {"replicas": 4, "resources": {"limits": {"memory": "4Gi"}}, "nodeSelector": {"pool": "workers"}},
    "flower": {"enabled": False},
    "networkPolicies": {"enabled": True},
    "dags": {"gitSync": {"repo": "git@git.example.org:x.git", "ref": "prod", "period": "1m30s", "sshKeySecret": "k"}},
    "ingress": {
        "apiServer": {
            "enabled": True,
            "ingressClassName": "nginx",
            "annotations": {"nginx.ingress.kubernetes.io/rewrite-target": "/", "example.org/body-size": 8},
            "hosts": [
                {"name": "data.example.org", "tls": {"enabled": True, "secretName": "data-tls"}},
                "old.example.org",
            ],
        }
    },
    "madeUp": {"key": 1},
}
COMMUNITY: dict[str, Any] = {
    "airflow": {
        "executor": "CeleryExecutor",
        "config": {"AIRFLOW__CORE__PARALLELISM": 8},
        "connections": [{"id": "wh", "type": "postgres", "host": "wh.example.org", "password": "hidden-word"}],
        "variables": [{"key": "region", "value": "eu"}, {"key": "api_token", "value": "hidden-word"}],
        "pools": [{"name": "wh", "slots": 4, "description": "x"}],
        "defaultTolerations": [{"key": "airflow", "operator": "Exists"}],
    },
    "web": {"replicas": 2},
    "workers": {"terminationPeriod": 600, "autoscaling": {"enabled": False, "maxReplicas": 7}},
    "ingress": {"enabled": False, "web": {"host": "data.example.org"}},
    "externalDatabase": {"type": "postgres", "host": "db.example.org", "user": "af", "passwordSecret": "s"},
    "externalRedis": {"host": "redis.example.org", "port": 6380, "databaseNumber": 3},
    "dags": {"gitSync": {"enabled": True, "repo": "https://git.example.org/x.git", "httpSecret": "s", "syncWait": 60}},
    "serviceMonitor": {"enabled": False},
}
GIVEN = [pytest.param(OFFICIAL, "official", id="official"), pytest.param(COMMUNITY, "community", id="community")]


@pytest.mark.parametrize(("values", "chart"), GIVEN)
def test_every_value_is_in_the_report(values: dict[str, Any], chart: str) -> None:
    """By its own name, or by that of what it is a part of."""
    assert table.recognised(values) == chart
    _overlay, said = overlay_of(values, chart)
    names = set(re.findall(r"[\w.]+", said))
    for path, _value in table.leaves(values):
        assert names & {".".join(path[: number + 1]) for number in range(len(path))}, path


@pytest.mark.parametrize(("values", "chart"), GIVEN)
def test_no_secret_is_written_or_said(values: dict[str, Any], chart: str, tmp_path: Path) -> None:
    overlay, said = overlay_of(values, chart)
    overlay.write(tmp_path / "overlay")
    assert "hidden-word" not in said
    for file in (tmp_path / "overlay").rglob("*.*"):
        assert "hidden-word" not in file.read_text()


@pytest.mark.parametrize(("values", "chart"), GIVEN)
def test_gitsync_takes_its_configuration(values: dict[str, Any], chart: str, tmp_path: Path) -> None:
    overlay, _said = overlay_of(values, chart)
    overlay.write(tmp_path / "overlay")
    names = {"POSTGRES_HOST": "postgres", "POSTGRES_PORT": "5432", "POSTGRES_AIRFLOW_DATABASE": "airflow"}
    (source,) = load(tmp_path / "overlay/gitsync.yaml", names).sources
    assert source.repo == values["dags"]["gitSync"]["repo"]
    assert source.period == (90 if chart == "official" else 60)


def test_what_is_written_for_the_official_chart() -> None:
    overlay, said = overlay_of(OFFICIAL, "official")
    assert overlay.settings == {
        "AIRFLOW__CORE__PARALLELISM": "64",
        "AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG": "4",
        "AIRFLOW__API__BASE_URL": "https://data.example.org/airflow",
    }
    assert overlay.database["POSTGRES_HOST"] == "db.example.org"
    assert overlay.broker["BROKER_SCHEME"] == "amqps"
    assert overlay.workloads["worker"]["spec"]["replicas"] == 4
    assert overlay.workloads["flower"]["spec"] == {"replicas": 0}
    assert overlay.source["credentials"] == {"ssh_key_files": ["/etc/gitsync/repository/ssh-key"]}
    assert {"external-postgres", "external-broker", "network-policy"} <= {*overlay.components}
    assert "redis" not in overlay.components  # what is external excludes it
    for sentence in (
        "- madeUp.key: the chart has no such value", "SOME_TOKEN looks like a secret",
        "AIRFLOW__LOGGING__X is a template",
        "AIRFLOW__CORE__EXECUTOR is made by the stack itself", "- airflow/fernet-key", "redis is left out, because",
        "nginx.ingress.kubernetes.io/rewrite-target is left out", "further hosts go into the Ingress by hand: old.",
    ):  # fmt: skip
        assert sentence in said


def test_what_is_written_for_the_community_chart() -> None:
    overlay, said = overlay_of(COMMUNITY, "community")
    assert overlay.settings == {"AIRFLOW__CORE__PARALLELISM": "8"}
    assert overlay.broker["BROKER_PATH"] == "3"
    assert overlay.workloads["worker"]["spec"]["template"]["spec"] == {"terminationGracePeriodSeconds": 600}
    assert overlay.connections["connections.yaml"]["wh"]["password"] == "${secret:wh-password}"
    assert overlay.connections["variables.yaml"] == {"region": "eu", "api_token": "${secret:api_token}"}
    assert "workers.autoscaling.enabled, ingress.enabled, serviceMonitor.enabled: off there, and off here" in said
    assert "fields of the HorizontalPodAutoscaler: the component autoscaling-hpa is not chosen" in said
    assert "ingress.web: the component ingress is not chosen" in said
    assert not overlay.operations


@pytest.mark.parametrize(("text", "seconds"), [("5s", 5), ("1m30s", 90), ("100ms", 0.1), (60, 60), ("1h", 3600)])
def test_durations(text: object, seconds: float) -> None:
    assert sources.seconds(text) == pytest.approx(seconds)
