"""The scripts of Airflow's image: connection strings from passwords, and messages during the wait."""

from __future__ import annotations

import importlib.util
import ssl
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = Path(__file__).parents[2] / "docker" / "airflow"
HOSTS = {"POSTGRES_HOST": "dev-postgres", "BROKER_HOST": "dev-rabbitmq"}
PASSWORDS = [
    "plain",
    "a\"b'c/d\\e@:#%? $x$(HOME)",
    "%2F and %%",
    "ümlaut ☃",
    " spaces at both ends ",
]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"airflow_image_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for it
    spec.loader.exec_module(module)
    return module


wait = script("wait")
beat = script("beat")


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("password", PASSWORDS)
def test_any_password_survives_the_connection_strings(password: str, secrets: Path, target: Path) -> None:
    for connection in wait.CONNECTIONS:
        (secrets / connection.password).write_text(password)
    rendered = wait.render(secrets, target, HOSTS)
    assert set(rendered) == {"sql_alchemy_conn", "sql_alchemy_conn_async", "result_backend", "broker_url"}
    for url in rendered.values():
        parts = urlsplit(url)
        assert unquote(parts.password or "") == password
        assert parts.hostname in HOSTS.values()


def test_the_files_hold_the_strings_and_are_for_us_alone(secrets: Path, target: Path) -> None:
    (secrets / "celery-password").write_text("secret\n")
    for _ in range(2):  # a container that is restarted finds its own files
        wait.render(secrets, target, HOSTS)
    (file,) = target.iterdir()
    assert file.name == "result_backend"
    assert file.read_text() == "db+postgresql://celery:secret@dev-postgres:5432/celery"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_only_what_a_component_knows_is_rendered(secrets: Path, target: Path) -> None:
    (secrets / "rabbitmq-password").write_text("secret")
    rendered = wait.render(secrets, target, {"BROKER_HOST": "rabbitmq"})
    assert rendered == {"broker_url": "amqp://airflow:secret@rabbitmq:5672//"}


def rendered_with(secrets: Path, target: Path, **environment: str) -> dict[str, str]:
    """Return the connection strings of an environment, with the password `secret` everywhere."""
    for connection in wait.CONNECTIONS:
        (secrets / connection.password).write_text("secret")
    rendered: dict[str, str] = wait.render(secrets, target, {**HOSTS, **environment})
    return rendered


def test_a_database_elsewhere_is_all_in_variables(secrets: Path, target: Path) -> None:
    rendered = rendered_with(
        secrets,
        target,
        POSTGRES_HOST="db.example.org",
        POSTGRES_PORT="6543",
        POSTGRES_AIRFLOW_USER="air@server",
        POSTGRES_CELERY_DATABASE="results",
        POSTGRES_SSLMODE="verify-full",
        POSTGRES_CA="/ca/ca.crt",
    )
    tls = "?sslmode=verify-full&sslrootcert=/ca/ca.crt"
    where = "air%40server:secret@db.example.org:6543/airflow"
    assert rendered["sql_alchemy_conn"] == f"postgresql+psycopg2://{where}{tls}"
    assert rendered["sql_alchemy_conn_async"] == f"postgresql+asyncpg://{where}?ssl=verify-full"
    assert rendered["result_backend"] == f"db+postgresql://celery:secret@db.example.org:6543/results{tls}"


def test_a_pooler_is_asked_in_place_of_the_database(secrets: Path, target: Path) -> None:
    settings = {"POSTGRES_PORT": "6543", "POSTGRES_SSLMODE": "verify-full", "POSTGRES_CA": "/ca/ca.crt"}
    rendered = rendered_with(secrets, target, **settings, POSTGRES_POOLER_HOST="pgbouncer")
    assert rendered["sql_alchemy_conn"] == "postgresql+psycopg2://airflow:secret@pgbouncer:5432/airflow"
    assert rendered["result_backend"] == "db+postgresql://celery:secret@pgbouncer:5432/celery"


def test_a_broker_elsewhere_is_all_in_variables(secrets: Path, target: Path) -> None:
    redis = {"BROKER_SCHEME": "rediss", "BROKER_USER": "default", "BROKER_PORT": "6380", "BROKER_PATH": "0"}
    rendered = rendered_with(secrets, target, **redis, BROKER_HOST="redis.example.org")
    assert rendered["broker_url"] == "rediss://default:secret@redis.example.org:6380/0"


@pytest.mark.parametrize(
    ("url", "settings", "expected"),
    [
        pytest.param("amqp://", {}, False, id="none"),
        pytest.param("amqps://", {"ACTIVE": "True"}, {"cert_reqs": ssl.CERT_REQUIRED}, id="system-authorities"),
        pytest.param(
            "rediss://",
            {"ACTIVE": "True", "CACERT": "/ca.crt"},
            {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": "/ca.crt"},
            id="redis-own-authority",
        ),
    ],
)
def test_probes_use_tls_to_the_broker_as_airflow_does(url: str, settings: dict[str, str], expected: object) -> None:
    environment = {f"AIRFLOW__CELERY__SSL_{name}": value for name, value in settings.items()}
    assert wait.broker_tls(url, environment) == expected


@pytest.mark.parametrize(
    ("password", "environment", "named"),
    [
        pytest.param(None, HOSTS, ["Secret 'postgres'", "Secret 'rabbitmq'", "kube-airflow secrets"], id="no-secret"),
        pytest.param("", HOSTS, ["airflow-password", "Secret 'postgres'", "kube-airflow secrets"], id="empty"),
        pytest.param("\n", HOSTS, ["airflow-password", "empty"], id="only-a-line-break"),
        pytest.param("secret", {}, ["POSTGRES_HOST", "ConfigMap 'hosts'"], id="no-host"),
    ],
)
def test_a_wrong_deployment_is_named_in_one_line(
    password: str | None, environment: dict[str, str], named: list[str], secrets: Path, target: Path
) -> None:
    if password is not None:
        (secrets / "airflow-password").write_text(password)
    with pytest.raises(wait.DeploymentError) as error:
        wait.render(secrets, target, environment)
    message = str(error.value)
    assert "\n" not in message
    assert [word for word in named if word not in message] == []
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        pytest.param({"airflow": "a2", "fab": "f1"}, None, id="migrated"),
        pytest.param({"airflow": None, "fab": None}, "not there yet (airflow)", id="new-database"),
        pytest.param({"airflow": "a2", "fab": None}, "not there yet (fab)", id="login-not-migrated"),
        pytest.param({"airflow": "a1", "fab": "f1"}, "at a1, this image needs a2", id="older"),
    ],
)
def test_the_schema_is_the_one_that_the_image_knows(found: dict[str, str | None], said: str | None) -> None:
    difference = wait.schema_difference({"airflow": "a2", "fab": "f1"}, found)
    assert (difference is None) if said is None else (said in difference)


def test_waiting_is_told_once_per_reason(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    looks = iter(["no address", "no address", "refused", "refused", "refused"])

    def check(_url: str) -> None:
        for reason in looks:
            raise wait.NotYet(reason)

    monkeypatch.setattr(wait, "PAUSE", 0)
    monkeypatch.setitem(wait.CHECKS, "broker_url", check)
    wait.wait({"broker_url": "amqp://"})
    assert capsys.readouterr().out.splitlines() == ["waiting: no address", "waiting: refused", "everything is there"]


@pytest.mark.parametrize(
    ("age", "well"),
    [pytest.param(3.0, True, id="fresh"), pytest.param(61.0, False, id="old"), pytest.param(None, False, id="none")],
)
def test_a_heartbeat_counts_while_it_is_young(age: float | None, well: bool) -> None:
    assert (beat.verdict("SchedulerJob", "scheduler-0", age, 60.0) is None) is well
