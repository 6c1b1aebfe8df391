"""PostgreSQL and the broker in another namespace, over TLS: the lock and the tasks work."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import requests

from hack.lab.node.certificates import Certificate, prepare_certificate
from hack.lab.node.plan import plan_from_environment
from hack.operate.overlay import CHECKOUT
from tests.cluster.instances import SAYING, UnderTest, eventually
from tests.cluster.overlays import none_of, patch
from tests.components.trial import said

if TYPE_CHECKING:
    from pathlib import Path

    from hack.operate.instance import Instance
    from tests.components.trial import Trial

SERVERS = "servers"
CLIENTS = ("api-server", "dag-processor", "flower", "git-server", "gitsync", "scheduler", "triggerer", "worker")
KNOWN = (
    "postgres/airflow-password", "postgres/celery-password", "postgres/gitsync-password", "rabbitmq/password",
    "airflow/admin-password",
)  # fmt: skip
"""What the servers have been told: the user of Airflow's page is in the database too."""
TLS = "/etc/tls"
POSTGRES = [
    "postgres",
    "-cssl=on",
    f"-cssl_cert_file={TLS}/tls.crt",
    f"-cssl_key_file={TLS}/tls.key",
    "-clog_connections=on",
]
AUTHORIZED = re.compile(r"connection authorized: user=(airflow|celery|gitsync) .*?(SSL enabled|$)", re.MULTILINE)


@dataclass(frozen=True)
class Broker:
    """One that listens with TLS only, and what an overlay says to find it."""

    name: str
    port: dict[str, object]
    file: Path
    configuration: str
    components: tuple[str, ...] = ()
    place: dict[str, str] = field(default_factory=dict)


RABBITMQ = Broker(
    "rabbitmq",
    {"name": "amqp", "containerPort": 5671},
    CHECKOUT / "base/rabbitmq/rabbitmq.conf",
    f"""
    listeners.tcp = none
    listeners.ssl.default = 5671
    ssl_options.cacertfile = {TLS}/ca.crt
    ssl_options.certfile = {TLS}/tls.crt
    ssl_options.keyfile = {TLS}/tls.key
    """,
)
REDIS = Broker(
    "redis",
    {"name": "redis", "containerPort": 6379},
    CHECKOUT / "base/components/redis/tier/redis.conf",
    f"""
    port 0
    tls-port 6379
    tls-auth-clients no
    tls-ca-cert-file {TLS}/ca.crt
    tls-cert-file {TLS}/tls.crt
    tls-key-file {TLS}/tls.key
    """,
    ("redis",),
    {"BROKER_SCHEME": "rediss", "BROKER_PORT": "6379", "BROKER_USER": "default", "BROKER_PATH": "0"},
)


def with_certificate(name: str, **container: object) -> dict[str, object]:
    """The patch that mounts the servers' certificate."""
    mount = {"name": "tls", "mountPath": TLS, "readOnly": True}
    pod = {
        "containers": [{"name": name, "volumeMounts": [mount], **container}],
        "volumes": [{"name": "tls", "secret": {"secretName": "tls", "defaultMode": 0o440}}],
    }
    return patch("StatefulSet", name, spec={"template": {"spec": pod}})


def serve(trial: Trial, broker: Broker) -> Instance:
    """Run PostgreSQL and the broker, with a certificate for their names in that namespace."""
    configuration = broker.file.read_text() + broker.configuration
    servers = trial.instance(
        SERVERS,
        *broker.components,
        replicas=none_of(*CLIENTS),
        patches=[
            with_certificate("postgres", args=POSTGRES),
            with_certificate(broker.name, ports=[{"$patch": "replace"}, broker.port]),
            patch("ConfigMap", broker.name, data={broker.file.name: configuration}),
        ],
    )
    pki = plan_from_environment().pki
    hosts = tuple(f"DNS:{SERVERS}-{name}.{SERVERS}" for name in ("postgres", broker.name))
    prepare_certificate(pki, Certificate("trial-servers", "trial-servers", alternatives=hosts))
    files = {"ca.crt": "ca.crt", "tls.crt": "trial-servers.crt", "tls.key": "trial-servers.key"}
    servers.kubectl("create", "secret", "generic", "tls", *(f"--from-file={key}={pki / files[key]}" for key in files))
    servers.apply()
    return servers


def use(trial: Trial, servers: Instance, broker: Broker) -> Instance:
    """An instance whose servers those are, by what the components' READMEs tell an overlay to have."""
    known = [f"{name}={servers.secret(*name.split('/'))}" for name in KNOWN]
    made = trial.instance(
        "elsewhere",
        "external-postgres",
        "external-broker",
        secrets=known,
        replicas=none_of("triggerer"),
        patches=[
            *said("external-postgres", POSTGRES_HOST=f"{SERVERS}-postgres.{SERVERS}", POSTGRES_PORT="5432"),
            *said("external-broker", BROKER_HOST=f"{SERVERS}-{broker.name}.{SERVERS}"),
            patch("ConfigMap", "hosts", data=broker.place),
        ],
    )
    authority = plan_from_environment().pki / "ca.crt"
    for name in ("postgres-ca", "broker-ca"):
        made.kubectl("create", "secret", "generic", f"{made.name}-{name}", "--from-file", str(authority))
    return made


def connected(servers: Instance) -> set[tuple[str, ...]]:
    """The users that PostgreSQL let in, and how."""
    return set(AUTHORIZED.findall(servers.kubectl("logs", f"{SERVERS}-postgres-0")))


def flower_workers(instance: UnderTest) -> str:
    """Flower's page of workers."""
    name, password = instance.instance.secret("flower", "basic-auth").split(":", 1)
    with instance.instance.reach("flower", 5555) as url:
        return requests.get(f"{url}/workers", auth=(name, password), timeout=60).text


@pytest.mark.parametrize("broker", [RABBITMQ, REDIS], ids=lambda broker: broker.name)
def test_postgres_and_the_broker_are_elsewhere(trial: Trial, broker: Broker) -> None:
    """external-postgres (`verify-full`) and external-broker, whose servers are of another namespace."""
    servers = serve(trial, broker)
    instance = trial.run(use(trial, servers, broker), say=SAYING.format(name="say", mark="elsewhere"))
    instance.wait_listed("say", instance.commits[-1])
    run = instance.airflow.trigger("say")
    instance.wait_run(run, "say")
    assert instance.result(run, "say", "say") == "elsewhere"
    assert instance.status()["last_error"] is None
    assert connected(servers) == {(user, "SSL enabled") for user in ("airflow", "celery", "gitsync")}
    eventually(lambda: "celery@elsewhere-worker-0" in flower_workers(instance), "Flower sees the worker")
    local = "app.kubernetes.io/component in (postgres, rabbitmq, redis)"
    assert not instance.instance.get("statefulset", "--selector", local)["items"]
