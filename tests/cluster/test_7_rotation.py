"""All secrets of a running instance change at once: the new ones work, and the old ones do not."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
import requests
from cryptography.fernet import Fernet, InvalidToken

from hack.lab.stack.airflow import Airflow
from hack.lab.stack.dags import address, git
from hack.operate.errors import Failure
from hack.operate.overlay import CHECKOUT
from hack.operate.rotate.verb import ALL
from tests.cluster.instances import SAYING, eventually
from tests.cluster.load import Load

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest

DATABASES = {"postgres": "airflow", "airflow": "airflow", "celery": "celery", "gitsync": "airflow"}


def values(dev: UnderTest) -> dict[str, str]:
    return {path: dev.instance.secret(*path.split("/")) for path in ALL}


def rotate(dev: UnderTest, *secrets: str) -> None:
    """What an operator runs."""
    done = subprocess.run(
        [CHECKOUT / "hack/kube-airflow", "rotate", "--overlay", str(dev.instance.overlay), *secrets],
        env=dev.instance.cluster.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{dev.findings()}"


def use_new_passwords(dev: UnderTest) -> None:
    dev.airflow = Airflow(dev.airflow.url, "admin", dev.instance.secret("airflow", "admin-password"))
    dev.clone.remote().set_url(repository(dev))


def repository(dev: UnderTest) -> str:
    return address(dev.instance, dev.instance.url("git-server", 8080) or "")


def lets_in(dev: UnderTest, path: str, value: str) -> bool:
    """Whether whoever asks for this secret accepts ``value``."""
    name, _slash, key = path.partition("/")
    if name == "postgres":
        return opens_database(dev, key.removesuffix("-password"), value)
    if name == "rabbitmq":
        return succeeds(dev, "rabbitmq-0", "rabbitmqctl", "authenticate_user", "airflow", value)
    if name == "git-server":
        return clones(dev, value)
    if name == "flower":
        return opens_page(dev, "flower", 5555, value)
    return opens_page(dev, "gitsync", 8080, f"anybody:{value}")


def opens_page(dev: UnderTest, service: str, port: int, login: str) -> bool:
    user, _colon, password = login.partition(":")
    with dev.instance.reach(service, port) as server:
        return requests.get(server, auth=(user, password), timeout=60).status_code == 200


def opens_database(dev: UnderTest, role: str, value: str) -> bool:
    script = 'PGPASSWORD="$0" exec psql -h 127.0.0.1 -U "$1" -c "select 1" "$2"'
    return succeeds(dev, "postgres-0", "sh", "-c", script, value, role, DATABASES[role])


def succeeds(dev: UnderTest, pod: str, *command: str) -> bool:
    try:
        dev.instance.kubectl("exec", f"{dev.instance.name}-{pod}", "--", *command)
    except Failure:
        return False
    return True


def clones(dev: UnderTest, value: str) -> bool:
    now = dev.instance.secret("git-server", "password")
    try:
        git("ls-remote", repository(dev).replace(now, value))
    except Failure:
        return False
    return True


ASKED = (
    *(f"postgres/{role}-password" for role in DATABASES),
    "rabbitmq/password", "flower/basic-auth", "gitsync/operator", "git-server/password",
)  # fmt: skip


def test_every_secret_is_rotated(dev: UnderTest) -> None:
    """1. a connection with a password, and tasks that run; 2. every secret changes, and no task is lost; 3. a push is
    published and runs; 4. no old secret is good for anything; 5. the connection is encrypted with the new key alone."""
    connection = {"connection_id": "kept", "conn_type": "http", "password": "what is kept"}
    dev.airflow.ask("POST", "/connections", connection)
    old, session = values(dev), dev.airflow
    load = Load.start(dev)
    load.wait_for_ended(1)
    rotate(dev, "all")
    new = values(dev)
    assert {path for path in ALL if old[path] == new[path]} == set()

    use_new_passwords(dev)
    load.finish()
    revision = dev.push(rotated=SAYING.format(name="rotated", mark="rotated"))
    dev.wait_published(revision)
    dev.wait_listed("rotated", revision)
    run = dev.airflow.trigger("rotated")
    assert dev.wait_run(run, "rotated")["bundle_version"] == revision

    assert {path for path in ASKED if not lets_in(dev, path, new[path])} == set()
    assert {path for path in ASKED if lets_in(dev, path, old[path])} == set()
    with pytest.raises(Failure, match="Invalid JWT token"):
        session.ask("GET", "/dags")  # signed with the old JWT secret
    with pytest.raises(Failure, match=r"40[13] "):
        Airflow(dev.airflow.url, "admin", old["airflow/admin-password"]).ask("GET", "/dags")
    encrypted = column(dev, "select password from connection where conn_id = 'kept'")
    assert Fernet(new["airflow/fernet-key"]).decrypt(encrypted) == b"what is kept"
    with pytest.raises(InvalidToken):
        Fernet(old["airflow/fernet-key"]).decrypt(encrypted)


def column(dev: UnderTest, query: str) -> str:
    script = 'IFS= read -r PGPASSWORD; export PGPASSWORD; exec psql -qAtX -U postgres -c "$0" airflow'
    words = ("exec", "-i", f"{dev.instance.name}-postgres-0", "--", "sh", "-c", script, query)
    return dev.instance.kubectl(*words, stdin=f"{dev.instance.secret('postgres', 'postgres-password')}\n").strip()


def test_members_are_let_in_with_the_new_token_only(dev: UnderTest) -> None:
    """Every pod reports again with what its kubelet has brought, and none with what it had."""
    eventually(lambda: not any(member["silent"] for member in dev.status()["members"]), "all report", dev.findings)
