"""`from-helm`: each sentence is about the value that it stands at."""

from __future__ import annotations

from typing import Any

import pytest

from hack.operate.helm import table
from tests.unit.test_from_helm import overlay_of


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"createUserJob": {"labels": {"a": "b"}, "args": ["x"]}}, "createUserJob: the pod `migrate` migrates"),
        ({"dags": {"persistence": {"enabled": False}}}, "dags.persistence: off there, and off here"),
        ({"logs": {"persistence": {"size": "5Gi"}}}, "logs.persistence.size: no effect, because the overlay is"),
        ({"images": {"airflow": {"repository": "apache/airflow"}}}, "images.airflow.repository: the image is built"),
        ({"executor": "CeleryKubernetesExecutor"}, "executor: CeleryKubernetesExecutor is not built here"),
        ({"redis": {"tag": "7"}}, "redis: no effect, because there is no redis without"),
        ({"ingress": {"enabled": True, "web": {"path": "/x"}}}, "ingress.web: it names no host"),
        ({"airflow": {"scheduler": {"replicas": 2}}}, "airflow.scheduler.replicas: the chart has scheduler.replicas"),
        ({"airflow": {"scheduler": {"size": 2}}}, "airflow.scheduler.size: the chart has no such value"),
        (
            {"postgresql": {"readReplicas": {"persistence": {"enabled": False}}}},
            "postgresql.readReplicas: PostgreSQL here",
        ),
        (
            {"postgresql": {"enabled": True}, "data": {"metadataConnection": {"host": "db.example.org"}}},
            "postgresql.enabled: no effect, because the component external-postgres is chosen",
        ),
        ({"allowPodLaunching": True}, "allowPodLaunching: pods of Airflow have no rights"),
        ({"extraPipPackages": ["x"]}, "extraPipPackages: the chart has no such value, and installs nothing"),
        ({"env": [{"name": "AIRFLOW__CELERY__BROKER_URL", "value": "x"}]}, "BROKER_URL is taken apart: component"),
    ],
)
def test_the_sentence_is_right(values: dict[str, Any], sentence: str) -> None:
    _overlay, said = overlay_of(values, "official")
    name = sentence.partition(":")[0].partition(" ")[0]
    assert sentence in said
    assert name not in said.partition("# Written")[2].partition("\n#")[0]
    assert "a patch of that workload" not in said


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"externalDatabase": {"type": "postgres"}}, "externalDatabase: it names no host"),
        ({"externalRedis": {"host": "localhost"}}, "externalRedis: it names no other host"),
        (
            {"externalDatabase": {"host": "db.example.org", "userSecret": "db", "userSecretKey": "name"}},
            "the database's user is in the Secret db, key name",
        ),
        ({"redis": {"enabled": True, "slave": {"replicas": 1}}}, "redis.slave: Redis here is one pod"),
    ],
)
def test_the_sentence_is_right_for_the_community_chart(values: dict[str, Any], sentence: str) -> None:
    _overlay, said = overlay_of(values, "community")
    assert sentence in said


def test_annotations_of_an_ingress_are_not_by_hand_as_well() -> None:
    web = {"enabled": True, "hosts": ["a.example.org"], "annotations": {"a": "b"}}
    _overlay, said = overlay_of({"ingress": {"web": web}}, "official")
    assert "ingress.web.annotations" not in said


def test_known_hosts_that_are_off_are_not_put_anywhere() -> None:
    overlay, said = overlay_of({"dags": {"gitSync": {"knownHosts": False}}}, "official")
    assert "credentials" not in overlay.source
    assert "dags.gitSync.knownHosts is not as the chart has it" in said


@pytest.mark.parametrize(
    ("values", "chart"),
    [
        ({"executor": "x", "images": {}, "config": {"core": {"a": "b"}}, "airflow": {"extraEnv": []}}, "official"),
        ({"fernetKey": "x", "statsd": {"enabled": True}, "externalDatabase": {"host": "x"}}, "official"),
        ({"airflow": {"config": {"A": "b"}, "image": {"tag": "x"}}, "workers": {"replicas": 1}}, "community"),
        ({"web": {"replicas": 1}, "scheduler": {"replicas": 1}}, "community"),
        ({"scheduler": {"replicas": 1}}, "official"),
    ],
)
def test_the_chart_is_that_of_most_values(values: dict[str, Any], chart: str) -> None:
    assert table.recognised(values) == chart


def test_settings_have_the_names_and_modules_that_airflow_3_reads() -> None:
    values = {
        "config": {
            "core": {"remote_logging": "True", "colored_console_log": "False"},
            "api": {"auth_backends": "airflow.api.auth.backend.basic_auth,airflow.api.auth.backend.session"},
        }
    }
    overlay, _said = overlay_of(values, "official")
    backends = "airflow.providers.fab.auth_manager.api.auth.backend"
    assert overlay.settings == {
        "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "AIRFLOW__FAB__AUTH_BACKENDS": f"{backends}.basic_auth,{backends}.session",
    }


@pytest.mark.parametrize("protocol", ["postgresql", "postgresql+psycopg2", "postgres"])
def test_a_database_of_postgresql_is_known_with_its_driver(protocol: str) -> None:
    overlay, _said = overlay_of(
        {"data": {"metadataConnection": {"host": "db.example.org", "protocol": protocol}}}, "official"
    )
    assert overlay.database == {"POSTGRES_HOST": "db.example.org"}


@pytest.mark.parametrize(
    "values",
    [
        {"ingress": {"web": {"enabled": True, "hosts": ["${AIRFLOW_HOST}"]}}},
        {"ingress": {"web": {"enabled": True, "hosts": ["data_team.example.org"]}}},
        {"redis": {"enabled": True, "persistence": {"storageClassName": "fast_disk"}}},
        {"logs": {"persistence": {"enabled": True, "storageClassName": "<class>"}}},
        {"imagePullSecrets": [{"name": "My Secret"}]},
    ],
)
def test_a_name_that_no_api_server_takes_is_said_and_not_written(values: dict[str, Any]) -> None:
    overlay, said = overlay_of(values, "official")
    assert "is not as the chart has it" in said or "has a placeholder in" in said
    assert not [
        *overlay.operations,
        *overlay.claims,
        *overlay.logs_claim,
        *overlay.everywhere.get("imagePullSecrets", []),
    ]


def test_the_old_annotation_of_an_ingress_becomes_its_class() -> None:
    web = {"enabled": True, "host": "a.example.org", "annotations": {"kubernetes.io/ingress.class": "nginx", "a": "b"}}
    overlay, _said = overlay_of({"ingress": {"web": web}}, "official")
    written = {each["path"]: each["value"] for each in overlay.operations["Ingress"]}
    assert written["/spec/ingressClassName"] == "nginx"
    assert written["/metadata/annotations"] == {"a": "b"}
