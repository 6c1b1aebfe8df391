"""Prepares an Airflow container's start: writes connection strings, then waits for the servers behind them.

`wait.py` does both, `wait.py render` only writes. The strings contain passwords from mounted Secrets. Airflow's own
checks cost 8 s of CPU, in each of a dozen pods that start together. This costs 0.1 s, because it imports only the
database and broker drivers.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECRETS = Path("/etc/airflow/secrets")
RENDERED = Path("/run/airflow")
SCHEMA = Path("/opt/kube-airflow/schema.json")
PAUSE = 0.5
"""Seconds between two looks."""


@dataclass(frozen=True)
class Connection:
    """One connection string, and the password that it contains."""

    file: str
    """The name of the file to write."""
    password: str
    """The key of the Secret, which is also the name of the mounted file."""
    secret: str
    """The Secret's name, for error messages."""
    url: str
    """A template. Its fields are ``password`` and the names in `DEFAULTS`."""
    tls: str = ""
    """The rest of the template, added when POSTGRES_SSLMODE is set."""


AIRFLOW = "{POSTGRES_AIRFLOW_USER}:{password}@{POSTGRES_HOST}:{POSTGRES_PORT}/{POSTGRES_AIRFLOW_DATABASE}"
CELERY = "{POSTGRES_CELERY_USER}:{password}@{POSTGRES_HOST}:{POSTGRES_PORT}/{POSTGRES_CELERY_DATABASE}"
LIBPQ_TLS = "?sslmode={POSTGRES_SSLMODE}&sslrootcert={POSTGRES_CA}"
CONNECTIONS = (
    Connection(
        file="sql_alchemy_conn",
        password="airflow-password",  # noqa: S106 - the name of a file
        secret="postgres",  # noqa: S106 - the name of a Secret
        url=f"postgresql+psycopg2://{AIRFLOW}",
        tls=LIBPQ_TLS,
    ),
    Connection(  # asyncpg calls the mode `ssl`, and takes the CA only from the environment: PGSSLROOTCERT
        file="sql_alchemy_conn_async",
        password="airflow-password",  # noqa: S106 - the name of a key or a Secret
        secret="postgres",  # noqa: S106 - the name of a key or a Secret
        url=f"postgresql+asyncpg://{AIRFLOW}",
        tls="?ssl={POSTGRES_SSLMODE}",
    ),
    Connection(
        file="result_backend",
        password="celery-password",  # noqa: S106 - the name of a key or a Secret
        secret="postgres",  # noqa: S106 - the name of a key or a Secret
        url=f"db+postgresql://{CELERY}",
        tls=LIBPQ_TLS,
    ),
    Connection(
        file="broker_url",
        password="rabbitmq-password",  # noqa: S106 - the name of a key or a Secret
        secret="rabbitmq",  # noqa: S106 - the name of a key or a Secret
        url="{BROKER_SCHEME}://{BROKER_USER}:{password}@{BROKER_HOST}:{BROKER_PORT}/{BROKER_PATH}",
    ),
)
DEFAULTS = {
    "POSTGRES_HOST": "",
    "POSTGRES_PORT": "5432",
    "POSTGRES_AIRFLOW_USER": "airflow",
    "POSTGRES_AIRFLOW_DATABASE": "airflow",
    "POSTGRES_CELERY_USER": "celery",
    "POSTGRES_CELERY_DATABASE": "celery",
    "POSTGRES_SSLMODE": "",
    "POSTGRES_CA": "",
    "BROKER_SCHEME": "amqp",
    "BROKER_USER": "airflow",
    "BROKER_HOST": "",
    "BROKER_PORT": "5672",
    "BROKER_PATH": "/",
}
"""The fields of a connection string beside the password. An environment variable of the same name replaces a value."""


class DeploymentError(Exception):
    """A person must change the deployment; waiting does not help. The message says what to change."""


class NotYet(Exception):
    """A server does not answer yet, or the schema is not migrated yet. Waiting helps."""


def connection_string(connection: Connection, password: str, environment: Mapping[str, str]) -> str:
    """Return the connection string. The password may have any characters. Raises DeploymentError."""
    if not password:
        raise DeploymentError(
            f"{SECRETS / connection.password} is empty: set its key in the Secret '{connection.secret}' "
            f"(`hack/kube-airflow secrets` makes one)"
        )
    parts = {**DEFAULTS, **servers(environment)}
    template = connection.url + (connection.tls if parts["POSTGRES_SSLMODE"] else "")
    needed = {name for _text, name, _format, _conversion in Formatter().parse(template) if name}
    if missing := sorted(needed - {"password"} - {name for name, value in parts.items() if value}):
        raise DeploymentError(f"{', '.join(missing)} is not set: the ConfigMap 'hosts' has it, use envFrom")
    quoted = {name: quote(value, safe="/") for name, value in parts.items()}
    return template.format_map({**quoted, "password": quote(password, safe="")})


def servers(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment's values for `DEFAULTS`. A pooler's address replaces PostgreSQL's, without TLS."""
    found = {name: environment[name] for name in DEFAULTS if environment.get(name)}
    if pooler := environment.get("POSTGRES_POOLER_HOST"):
        found |= {"POSTGRES_HOST": pooler, "POSTGRES_PORT": "5432", "POSTGRES_SSLMODE": ""}
    return found


def render(secrets: Path, target: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Write a connection string for each mounted password. Return the strings by file name. Raises DeploymentError."""
    present = [each for each in CONNECTIONS if (secrets / each.password).is_file()]
    if not present:
        wanted = ", ".join(dict.fromkeys(f"{each.password} (Secret '{each.secret}')" for each in CONNECTIONS))
        raise DeploymentError(f"no password in {secrets}: none of {wanted}; `hack/kube-airflow secrets` makes them")
    rendered = {}
    for each in present:
        # Editors and `kubectl create secret --from-file` leave a newline at the end, which is not part of the password.
        password = (secrets / each.password).read_text().rstrip("\n")
        rendered[each.file] = connection_string(each, password, environment)
        write_private(target / each.file, rendered[each.file])
    return rendered


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` in one step by a file with ``text`` that only this user can read."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - a mode
        file.write(text)
    draft.replace(path)


def schema_difference(expected: Mapping[str, str], found: Mapping[str, str | None]) -> str | None:
    """Return in words how the schema differs from this image's, or None. Both arguments: version table to revision."""
    for table, revision in expected.items():
        if found.get(table) is None:
            return f"the schema is not there yet ({table}): the pod migrate makes it"
        if found[table] != revision:
            return f"the schema is at {found[table]}, this image needs {revision} ({table}): the pod migrate migrates"
    return None


def check_schema(sql_alchemy_conn: str) -> None:
    """Raise NotYet unless the metadata database has this image's schema."""
    expected = json.loads(SCHEMA.read_text())
    found: dict[str, str | None] = {}
    for table in expected:
        (exists,) = first_row(sql_alchemy_conn, f"select to_regclass('{table}') is not null")
        newest = f"select max(version_num) from {table}"  # noqa: S608 - the tables are those of the image
        found[table] = first_row(sql_alchemy_conn, newest)[0] if exists else None
    if difference := schema_difference(expected, found):
        raise NotYet(difference)


def check_results(result_backend: str) -> None:
    """Raise NotYet unless the database for task results answers."""
    first_row(result_backend, "select 1")


def check_broker(broker_url: str) -> None:
    """Raise NotYet unless the broker accepts the login."""
    from kombu import Connection  # noqa: PLC0415 - half of the pods have no use for it, and it costs more than the rest

    with Connection(broker_url, connect_timeout=5, ssl=broker_tls(broker_url, os.environ)) as broker:
        try:
            broker.transport.close_connection(broker.transport.establish_connection())
        except (*broker.connection_errors, *broker.channel_errors) as error:
            raise NotYet(f"the broker at {broker.host}: {one_line(error)}") from error


def broker_tls(broker_url: str, environment: Mapping[str, str]) -> dict[str, Any] | bool:
    """Return Kombu's ``ssl`` argument as Airflow makes it from its settings: options of the driver, or False."""
    if environment.get("AIRFLOW__CELERY__SSL_ACTIVE", "").lower() != "true":
        return False
    prefix = "ssl_" if broker_url.startswith("redis") else ""
    authority = environment.get("AIRFLOW__CELERY__SSL_CACERT")
    return {f"{prefix}cert_reqs": ssl.CERT_REQUIRED, **({f"{prefix}ca_certs": authority} if authority else {})}


CHECKS: dict[str, Callable[[str], None]] = {
    "sql_alchemy_conn": check_schema,
    "result_backend": check_results,
    "broker_url": check_broker,
}


def first_row(url: str, query: str) -> tuple[Any, ...]:
    """Return the first row of ``query``. ``url`` is in SQLAlchemy's or Celery's spelling. Raises NotYet."""
    import psycopg2  # noqa: PLC0415 - Flower has no use for it

    plain = url.removeprefix("db+").replace("postgresql+psycopg2:", "postgresql:", 1)
    try:
        with closing(psycopg2.connect(plain, connect_timeout=5)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            row: tuple[Any, ...] = cursor.fetchone()
            return row
    except psycopg2.Error as error:
        raise NotYet(f"the database: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """Return an error's message in one line; if it is empty, the name of the error's class."""
    return " ".join(str(error).split()) or type(error).__name__


def wait(rendered: Mapping[str, str]) -> None:
    """Return when everything answers. Print what is missing whenever that changes."""
    said = None
    while missing := first_missing(rendered):
        if missing != said:
            print(f"waiting: {missing}", flush=True)
            said = missing
        time.sleep(PAUSE)
    print("everything is there", flush=True)


def first_missing(rendered: Mapping[str, str]) -> str | None:
    """Return in words the first server that does not answer yet, or None."""
    try:
        for file, check in CHECKS.items():
            if file in rendered:
                check(rendered[file])
    except NotYet as reason:
        return str(reason)
    return None


def main(arguments: list[str]) -> None:
    """Write the connection strings, and wait unless the argument is ``render``."""
    if arguments not in ([], ["render"]):
        raise SystemExit("usage: wait.py [render]")
    try:
        rendered = render(SECRETS, RENDERED, os.environ)
    except (DeploymentError, OSError) as error:
        raise SystemExit(f"wait.py: {error}") from error
    if not arguments:
        wait(rendered)


if __name__ == "__main__":
    main(sys.argv[1:])
