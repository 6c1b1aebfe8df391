"""The actions of table rows: each function writes one kind of value into the overlay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hack.operate.helm import operations, options, pods, secretive, shapes, sources
from hack.operate.helm.outcome import ByHand, NoEffect

if TYPE_CHECKING:
    from collections.abc import Callable

    from hack.operate.helm.overlay import Overlay

Value = Any


def executor(overlay: Overlay, value: Value) -> None:
    names = {"LocalExecutor": "executor-local", "KubernetesExecutor": "executor-kubernetes"}
    if value in names:
        overlay.component(names[value])
    elif value != "CeleryExecutor":
        raise ByHand(
            f"{value} is not built here, so the overlay has the Celery executor: for a pod for each task choose the "
            "component executor-kubernetes, for a single machine executor-local"
        )


def component(overlay: Overlay, value: Value, name: str) -> None:
    if value is True:
        overlay.component(name)


def bundled(overlay: Overlay, value: Value, instead: str) -> None:
    """Choose the component ``instead`` if the value turns a part of the base off."""
    if value is False:
        overlay.component(instead)


def flower(overlay: Overlay, value: Value) -> None:
    if value is False:
        overlay.workload("flower")["spec"]["replicas"] = 0


WORKLOADS = {"triggerer": "triggerer", "workers": "worker"}
"""Workloads that may be off, by the charts' names."""


def tier(overlay: Overlay, value: Value, *, path: str = "") -> None:
    if value is False:
        if name := WORKLOADS.get(path.partition(".")[0]):
            overlay.workload(name)["spec"]["replicas"] = 0
        else:
            overlay.by_hand(f"{path or 'a tier'} is off there: Airflow 3 does not run without it, so it is on here")


def storage(overlay: Overlay, value: Value, name: str, field: str) -> None:
    """Set size or class of a database's volume, which Kubernetes takes only before the first start."""
    overlay.claims.setdefault(name, {})[field] = _of_volume(value, field)


def claim(overlay: Overlay, value: Value, field: str) -> None:
    """Set size or class of the volume of logs."""
    text = _of_volume(value, field)
    overlay.logs_claim[field] = {"storageClassName": text} if field == "class" else text


def _of_volume(value: Value, field: str) -> Value:
    return shapes.name(value) if field == "class" else shapes.shaped("schedulerName", value)


STACKS_LABELS = ("app.kubernetes.io/", "kube-airflow/")


def labels(overlay: Overlay, value: Value) -> None:
    given = shapes.words(value)
    own = sorted(name for name in given if name.startswith(STACKS_LABELS))
    if own:
        overlay.leave(f"labels {', '.join(own)}: the stack has these itself, and finds its objects by them")
    if kept := {name: text for name, text in given.items() if name not in own}:
        overlay.kustomization["labels"].append({"pairs": kept, "includeTemplates": True})


def image_name(overlay: Overlay, value: Value, name: str) -> None:
    if shapes.shaped("repository", value) == "apache/airflow":
        raise NoEffect("the image is built from `docker/airflow`, which begins with Airflow's own")
    overlay.images.append({"name": f"kube-airflow/{name}", "newName": value})


def secret(overlay: Overlay, _value: Value, key: str) -> None:
    overlay.secrets.add(key)


def admin(overlay: Overlay, _value: Value) -> None:
    overlay.secrets.add("airflow/admin-password")


def database(overlay: Overlay, value: Value) -> None:
    """Write the official chart's metadataConnection, or the community's externalDatabase."""
    host = value.get("host")
    if not host:
        raise NoEffect("it names no host, so nothing is external")
    protocol = str(value.get("protocol", value.get("type", "postgres")))
    if protocol.partition("+")[0] not in ("postgresql", "postgres"):
        raise ByHand("the database is not PostgreSQL, which gitsync's lock needs: move the data there first")
    if secretive.looks(host) or "{{" in str(host):
        raise ValueError(host)
    overlay.component("external-postgres")
    given = {"POSTGRES_HOST": host, "POSTGRES_PORT": value.get("port")}
    given["POSTGRES_AIRFLOW_DATABASE"] = value.get("db", value.get("database"))
    given["POSTGRES_AIRFLOW_USER"] = value.get("user")
    given["POSTGRES_SSLMODE"] = value.get("sslmode")
    overlay.database = {name: str(item) for name, item in given.items() if item}
    overlay.secrets |= {"postgres/airflow-password", "postgres/celery-password", "postgres/gitsync-password"}
    if value.get("userSecret") and not value.get("user"):
        overlay.by_hand(
            f"the database's user is in the Secret {value['userSecret']}, key {value.get('userSecretKey')}: write it "
            "into values/database.env, as POSTGRES_AIRFLOW_USER"
        )


def broker(overlay: Overlay, value: Value) -> None:
    """Write the official chart's brokerUrl, or the community's externalRedis."""
    if isinstance(value, str):
        if "{{" in value:
            raise ByHand("it is a template: component external-broker, and values/broker.env")
        url = urlsplit(value)
        given = {"HOST": url.hostname, "SCHEME": url.scheme, "PORT": url.port, "USER": url.username}
        given["PATH"] = url.path.removeprefix("/") or ("/" if url.scheme.startswith("amqp") else "0")
    elif value.get("host", "localhost") == "localhost":
        raise NoEffect("it names no other host, so the broker is not external")
    else:
        given = {"HOST": value["host"], "SCHEME": "redis", "PORT": value.get("port", 6379), "USER": "default"}
        given["PATH"] = value.get("databaseNumber", 1)
    overlay.component("external-broker")
    overlay.broker = {f"BROKER_{name}": str(item) for name, item in given.items() if item is not None}
    overlay.secrets.add("rabbitmq/password")


def connections(overlay: Overlay, value: Value) -> None:
    """Write connections, and name their Secrets in a sentence. Secrets are never written."""
    overlay.component("connections")
    for item in value:
        name = item["id"]
        named = {"conn_type": "type", **{each: each for each in ("description", "host", "port", "login", "schema")}}
        found = {ours: item[theirs] for ours, theirs in named.items() if item.get(theirs) not in (None, "")}
        for part in [each for each in found if secretive.looks(found[each])] + ["password", "extra"]:
            if item.get(part):
                found[part] = f"${{secret:{name}-{part}}}"
                key = f"the Secret {overlay.name}-connections, key {name}-{part}"
                overlay.by_hand(f"put the {part} of connection {name} into {key}")
        overlay.connections["connections.yaml"][name] = found


def variables(overlay: Overlay, value: Value) -> None:
    overlay.component("connections")
    for item in value:
        name = item["key"]
        text = item.get("value", "")
        if secretive.named(name, text) or "${" in str(text):
            text = f"${{secret:{name}}}"
            overlay.by_hand(f"put the variable {name} into the Secret {overlay.name}-connections, key {name}")
        overlay.connections["variables.yaml"][name] = text


def pools(overlay: Overlay, value: Value) -> None:
    overlay.component("connections")
    for item in value:
        kept = {key: item[key] for key in ("slots", "description", "include_deferred") if key in item}
        overlay.connections["pools.yaml"][item["name"]] = kept


ACTIONS = {**vars(operations), **vars(options), **vars(pods), **vars(sources), **globals()}


def action(words: str) -> tuple[Callable[..., None], list[str]]:
    """The function and the arguments for the ``do`` of a row."""
    name, *arguments = words.split()
    function: Callable[..., None] = ACTIONS[name.replace("-", "_")]
    return function, arguments
