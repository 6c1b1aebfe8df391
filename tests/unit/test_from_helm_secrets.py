"""`from-helm` writes no secret, wherever the values have one, and writes settings as Airflow 3.3 reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hack.operate.helm import options, secretive
from tests.unit.test_from_helm import overlay_of

if TYPE_CHECKING:
    from pathlib import Path

SLACK = "https://hooks.slack.com/services/T0/B0/planted-word"  # invented
VARIABLES = {
    "AIRFLOW_CONN_WAREHOUSE": "postgres://db.example.org",
    "AIRFLOW_VAR_REGION": "planted-word",
    "SMTP_PASS": "planted-word",
    "DB_PASSWD": "planted-word",
    "SENTRY_DSN": "https://planted-word@sentry.example.org/1",
    "STORAGE": "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=planted-word",
    "WAREHOUSE_URL": "postgresql://af:planted-word@db.example.org/x",
    "CACHE": "redis://:planted-word@cache.example.org:6379/0",
    "ALERTS": SLACK,
    "JDBC": "jdbc:postgresql://db.example.org/x?user=a&password=planted-word",
    "SETTINGS": '{"host": "x", "secret_key": "planted-word"}',
    "AWS": "AKIAABCDEFGHIJKLMNOP",
    "FORGE": "glpat-plantedwordplantedword",
    "WORD": "xJ9aK2mQz81LpWq0RtYc7BnVh3sD",
    "CERTIFICATE": "-----BEGIN RSA PRIVATE KEY-----",
}
CLEAR = {
    "AIRFLOW__CORE__PARALLELISM": "64",
    "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": "s3://company-airflow-logs/prod/2024",
    "AIRFLOW__CORE__HIDE_SENSITIVE_VAR_CONN_FIELDS": "True",
    "AIRFLOW__SECRETS__BACKEND": "airflow.providers.hashicorp.secrets.vault.VaultBackend",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/airflow-Production-role",
    "PYTHONPATH": "/opt/airflow/dags:/opt/Airflow/plugins2",
    "TZ": "Europe/Berlin",
}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_secret_is_known_by_its_name_or_form(name: str) -> None:
    assert secretive.named(name, VARIABLES[name])


@pytest.mark.parametrize("name", [each for each in CLEAR if "SECRETS" not in each])
def test_what_is_no_secret_is_written(name: str) -> None:
    overlay, _said = overlay_of({"env": [{"name": name, "value": CLEAR[name]}]}, "official")
    assert overlay.settings == {name: CLEAR[name]}


PLANTED: list[tuple[str, dict[str, Any]]] = [
    *[("official", {"env": [{"name": name, "value": value}]}) for name, value in VARIABLES.items()],
    *[("official", {"extraEnv": f"- name: {name}\n  value: '{value}'"}) for name, value in VARIABLES.items()],
    *[("community", {"airflow": {"config": {name: value}}}) for name, value in VARIABLES.items()],
    *[("community", {"airflow": {"variables": [{"key": name, "value": text}]}}) for name, text in VARIABLES.items()],
    ("official", {"config": {"smtp": {"smtp_mail_from": "a", "x_password": "planted-word"}}}),
    ("official", {"config": {"sentry": {"sentry_dsn": VARIABLES["SENTRY_DSN"]}}}),
    ("official", {"dags": {"gitSync": {"repo": "https://bot:planted-word@git.example.org/x.git"}}}),
    ("official", {"data": {"brokerUrl": VARIABLES["CACHE"]}}),
    ("official", {"data": {"metadataConnection": {"host": VARIABLES["WAREHOUSE_URL"]}}}),
    ("official", {"airflowPodAnnotations": {"example.org/alert": SLACK}}),
    ("official", {"labels": {"token": VARIABLES["FORGE"]}}),
    ("official", {"images": {"airflow": {"repository": "https://a:planted-word@registry.example.org"}}}),
    ("official", {"ingress": {"apiServer": {"enabled": True, "host": "a", "annotations": {"a": SLACK}}}}),
    ("official", {"volumes": [{"name": "x", "csi": {"volumeAttributes": {"o": "user=a,password=planted-word"}}}]}),
    ("official", {"redis": {"persistence": {"size": "planted-word?token=planted-word"}}}),
    ("official", {"executor": "token=planted-word"}),
    ("community", {"airflow": {"connections": [{"id": "a", "type": "http", "host": SLACK}]}}),
    ("community", {"airflow": {"connections": [{"id": "a", "type": "http", "login": VARIABLES["WORD"]}]}}),
]


@pytest.mark.parametrize(("chart", "values"), PLANTED)
def test_no_planted_secret_is_written_or_said(chart: str, values: dict[str, Any], tmp_path: Path) -> None:
    overlay, said = overlay_of(values, chart)
    overlay.write(tmp_path / "overlay")
    written = "\n".join(file.read_text() for file in (tmp_path / "overlay").rglob("*.*") if file.is_file()) + said
    for word in ("planted", "AKIAABCDEFG", "xJ9aK2mQz81", "BEGIN RSA", "postgres://db"):
        assert word not in written


def test_a_login_in_the_repositorys_address_becomes_credentials() -> None:
    values = {"dags": {"gitSync": {"repo": "https://bot:planted-word@git.example.org/x.git"}}}
    overlay, _said = overlay_of(values, "official")
    assert overlay.source["repo"] == "https://git.example.org/x.git"
    assert overlay.source["credentials"]["password_file"] == "/etc/gitsync/repository/password"


@pytest.mark.parametrize(
    ("old", "now"),
    [
        ("webserver.base_url", "AIRFLOW__API__BASE_URL"),
        ("core.dag_concurrency", "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG"),
        ("scheduler.min_file_process_interval", "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL"),
        ("core.parallelism", "AIRFLOW__CORE__PARALLELISM"),
        ("webserver.rbac", None),
        ("webserver.analytics_id", None),
    ],
)
def test_settings_have_the_names_that_airflow_reads(old: str, now: str | None) -> None:
    section, name = old.split(".")
    overlay, said = overlay_of({"config": {section: {name: 8}}}, "official")
    assert overlay.settings == ({now: "8"} if now else {})
    assert now or f"{options.variable(old)} is left out: Airflow 3.3 does not read it" in said


@pytest.mark.parametrize(
    "values",
    [
        {"scheduler": {"replicas": "many"}},
        {"scheduler": {"replicas": "{{ .Values.x }}"}},
        {"scheduler": {"replicas": [1]}},
        {"scheduler": {"nodeSelector": "gpu"}},
        {"scheduler": {"tolerations": {"key": "x"}}},
        {"scheduler": {"resources": "big"}},
        {"affinity": ["x"]},
        {"volumes": {"name": "x"}},
        {"volumes": ["x"]},
        {"env": [None]},
        {"env": {"A": "b"}},
        {"redis": {"enabled": "perhaps"}},
        {"ingress": {"apiServer": ["x"]}},
        {"images": {"airflow": {"repository": ["x"]}}},
        {"dags": {"gitSync": {"repo": ["x"]}}},
        {"data": {"metadataConnection": "x"}},
        {"data": {"brokerUrl": "redis://a:port/0"}},
        {"config": {"core": "x"}},
        {"config": ["x"]},
    ],
)
def test_a_value_of_a_wrong_type_is_said_and_not_written(values: dict[str, Any]) -> None:
    overlay, said = overlay_of(values, "official")
    assert not any(each["spec"] for each in overlay.workloads.values())
    assert not [*overlay.settings, *overlay.images, *overlay.components]
    assert "repo" not in overlay.source
    assert "is not as the chart has it" in said or "is a template of the chart's" in said


@pytest.mark.parametrize("word", ["true", "True"])
def test_true_as_text_is_true_and_said(word: str) -> None:
    overlay, said = overlay_of({"networkPolicies": {"enabled": word}}, "official")
    assert overlay.components == ["network-policy"]
    assert "networkPolicies.enabled is the text true, and is taken as true" in said
