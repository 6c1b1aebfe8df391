"""What a row of the tables does: each function writes one kind of value into the overlay."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hack.helm import operations

if TYPE_CHECKING:
    from collections.abc import Callable

    from hack.helm.overlay import Overlay

Value = Any
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|PRIVATE|AIRFLOW_CONN_|_KEY$|API_?KEY|CREDENTIAL", re.IGNORECASE)
OURS = {
    "AIRFLOW__CORE__EXECUTOR", "AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__CELERY__RESULT_BACKEND",
    "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL",
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL", "AIRFLOW__SCHEDULER__STANDALONE_DAG_PROCESSOR",
}  # fmt: skip
"""Settings that the stack itself makes; another value would break it."""


def executor(overlay: Overlay, value: Value) -> None:
    names = {"LocalExecutor": "executor-local", "KubernetesExecutor": "executor-kubernetes"}
    if value in names:
        overlay.component(names[value])
    elif value != "CeleryExecutor":
        overlay.by_hand(f"executor {value}: set AIRFLOW__CORE__EXECUTOR; there is a component for one executor each")


def component(overlay: Overlay, value: Value, name: str) -> None:
    if value is True:
        overlay.component(name)


def bundled(overlay: Overlay, value: Value, instead: str) -> None:
    """The base brings it: only that it shall not is something to write."""
    if value is False:
        overlay.component(instead)


def flower(overlay: Overlay, value: Value) -> None:
    if value is False:
        overlay.workload("flower")["spec"]["replicas"] = 0


def tier(overlay: Overlay, value: Value, *, path: str = "") -> None:
    if value is False:
        overlay.by_hand(f"{path or 'a tier'} is off there: set its replicas to 0 with a patch if that is still wanted")


def replicas(overlay: Overlay, value: Value, name: str) -> None:
    overlay.workload(name)["spec"]["replicas"] = int(value)


def pod(overlay: Overlay, value: Value, name: str, field: str) -> None:
    overlay.pod(name)[field] = value


def container(overlay: Overlay, value: Value, name: str, called: str) -> None:
    overlay.container(name, called)["resources"] = value


def pod_annotations(overlay: Overlay, value: Value, name: str) -> None:
    overlay.annotations(name).update({key: str(item) for key, item in value.items()})


def every_annotation(overlay: Overlay, value: Value) -> None:
    pod_annotations(overlay, value, "")


def every_pod(overlay: Overlay, value: Value, field: str) -> None:
    overlay.pod("")[field] = value


def volumes(overlay: Overlay, value: Value, name: str = "") -> None:
    overlay.pod(name).setdefault("volumes", []).extend(value)


def mounts(overlay: Overlay, value: Value, name: str = "") -> None:
    overlay.container(name, "airflow").setdefault("volumeMounts", []).extend(value)


def storage(overlay: Overlay, value: Value, name: str, claim: str) -> None:
    overlay.by_hand(f"the volume {claim} of {name} had {value}: patch the claim template before the first start")


def labels(overlay: Overlay, value: Value) -> None:
    overlay.kustomization["labels"].append({"pairs": {key: str(item) for key, item in value.items()}})


def image_name(overlay: Overlay, value: Value, name: str) -> None:
    if value != "apache/airflow":
        overlay.images.append({"name": f"kube-airflow/{name}", "newName": value})


def setting(overlay: Overlay, value: Value, name: str) -> None:
    """One variable for all of Airflow."""
    text = value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict | list) else str(value)
    if name in OURS or name.removesuffix("_CMD").removesuffix("_SECRET") in OURS:
        overlay.leave(f"{name} is made by the stack itself")
    elif "{{" in text:
        overlay.by_hand(f"{name} is a template of the chart's: write its value into values/airflow.env")
    elif SECRET.search(name):
        overlay.by_hand(f"{name} looks like a secret: give it from a Secret, in airflow-pods.yaml")
    elif "\n" in text:
        overlay.by_hand(f"{name} has several lines: mount it as a file, or write one line into values/airflow.env")
    else:
        overlay.settings[name] = text


def settings(overlay: Overlay, value: Value) -> None:
    """The chart's `config`, by sections of airflow.cfg."""
    for section, options in value.items():
        if section == "webserver":
            overlay.by_hand("[webserver] is [api] and [fab] in Airflow 3: `airflow config lint` names each new option")
            continue
        for option, given in (options or {}).items():
            if given not in (None, ""):
                setting(overlay, given, f"AIRFLOW__{section.upper().replace('.', '_')}__{option.upper()}")


def settings_by_variable(overlay: Overlay, value: Value) -> None:
    for name, given in value.items():
        setting(overlay, given, name)


def environment(overlay: Overlay, value: Value) -> None:
    """A list as in a pod, which the official chart also takes as text."""
    import yaml  # noqa: PLC0415

    items = value
    if isinstance(value, str):
        if "{{" in value:
            overlay.by_hand("extraEnv is a template of the chart's: write its variables into values/airflow.env")
            return
        items = yaml.safe_load(value)
    for item in items:
        if "valueFrom" in item:
            overlay.container("", "airflow").setdefault("env", []).append(item)
        else:
            setting(overlay, item.get("value", ""), item["name"])


def secrets_in_environment(overlay: Overlay, value: Value) -> None:
    for item in value:
        reference = {"secretKeyRef": {"name": item["secretName"], "key": item.get("secretKey", "value")}}
        environment(overlay, [{"name": item["envName"], "valueFrom": reference}])


def source(overlay: Overlay, value: Value, field: str) -> None:
    """A value of git-sync's in gitsync.yaml."""
    found = overlay.source
    if field == "rev":
        if value != "HEAD":
            found["ref"] = value
    elif field == "period":
        found["period"] = max(1.0, seconds(value))
    elif field == "depth":
        found.setdefault("clone", {})["depth"] = int(value)
    elif field == "submodules":
        found.setdefault("clone", {})["submodules"] = value
    elif field in ("password", "ssh", "known_hosts"):
        _credentials(overlay, field)
    elif field in ("ref", "repo", "subdirectory"):
        found[field] = str(value).strip("/") if field == "subdirectory" else value
    else:
        found[field] = value


def _credentials(overlay: Overlay, field: str) -> None:
    folder, credentials = "/etc/gitsync/repository", overlay.source.setdefault("credentials", {})
    secret = f"the Secret {overlay.name}-gitsync-repository"
    if field == "password":
        credentials |= {"username": "git", "password_file": f"{folder}/password"}
        overlay.by_hand(f"put the Git host's token into {secret}, key password, and its user into gitsync.yaml")
    elif field == "ssh":
        credentials["ssh_key_files"] = [f"{folder}/ssh-key"]
        overlay.by_hand(f"put the SSH key into {secret}, key ssh-key")
    else:
        credentials["known_hosts_files"] = [f"{folder}/known-hosts"]
        overlay.by_hand(f"put the host keys into {secret}, key known-hosts")


def seconds(value: Value) -> float:
    """``5s``, ``1m30s``, ``100ms`` or a number."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    parts = re.findall(r"([\d.]+)(ms|s|m|h)", str(value))
    return sum(float(number) * units[unit] for number, unit in parts) if parts else float(value)


def git_sync(overlay: Overlay, value: Value) -> None:
    if value is False:
        overlay.without_git = True
        overlay.by_hand("DAGs did not come from Git: component embedded-dags, or name a repository in gitsync.yaml")


def secret(overlay: Overlay, _value: Value, key: str) -> None:
    overlay.secrets.add(key)


def admin(overlay: Overlay, _value: Value) -> None:
    overlay.secrets.add("airflow/admin-password")


def database(overlay: Overlay, value: Value) -> None:
    """The official chart's metadataConnection, or the community's externalDatabase."""
    host = value.get("host")
    if not host:
        return
    if value.get("protocol", value.get("type", "postgres")) not in ("postgresql", "postgres"):
        overlay.by_hand("the database is not PostgreSQL, which gitsync's lock needs: move the data there first")
        return
    overlay.component("external-postgres")
    given = {"POSTGRES_HOST": host, "POSTGRES_PORT": value.get("port")}
    given["POSTGRES_AIRFLOW_DATABASE"] = value.get("db", value.get("database"))
    given["POSTGRES_AIRFLOW_USER"] = value.get("user")
    given["POSTGRES_SSLMODE"] = value.get("sslmode")
    overlay.database = {name: str(item) for name, item in given.items() if item}
    overlay.secrets |= {"postgres/airflow-password", "postgres/celery-password", "postgres/gitsync-password"}


def broker(overlay: Overlay, value: Value) -> None:
    """The official chart's brokerUrl, or the community's externalRedis."""
    if isinstance(value, str):
        if "{{" in value:
            overlay.by_hand("data.brokerUrl is a template: component external-broker, and values/broker.env")
            return
        url = urlsplit(value)
        given = {"HOST": url.hostname, "SCHEME": url.scheme, "PORT": url.port, "USER": url.username}
        given["PATH"] = url.path.removeprefix("/") or ("/" if url.scheme.startswith("amqp") else "0")
    elif value.get("host", "localhost") == "localhost":
        return
    else:
        given = {"HOST": value["host"], "SCHEME": "redis", "PORT": value.get("port", 6379), "USER": "default"}
        given["PATH"] = value.get("databaseNumber", 1)
    overlay.component("external-broker")
    overlay.broker = {f"BROKER_{name}": str(item) for name, item in given.items() if item is not None}
    overlay.secrets.add("rabbitmq/password")


def connections(overlay: Overlay, value: Value) -> None:
    """Secrets of a connection are named, and never written."""
    overlay.component("connections")
    for item in value:
        name = item["id"]
        named = {"conn_type": "type", **{each: each for each in ("description", "host", "port", "login", "schema")}}
        found = {ours: item[theirs] for ours, theirs in named.items() if item.get(theirs) not in (None, "")}
        for part in ("password", "extra"):
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
        if SECRET.search(name) or "${" in str(text):
            text = f"${{secret:{name}}}"
            overlay.by_hand(f"put the variable {name} into the Secret {overlay.name}-connections, key {name}")
        overlay.connections["variables.yaml"][name] = text


def pools(overlay: Overlay, value: Value) -> None:
    overlay.component("connections")
    for item in value:
        kept = {key: item[key] for key in ("slots", "description", "include_deferred") if key in item}
        overlay.connections["pools.yaml"][item["name"]] = kept


ACTIONS = {**vars(operations), **globals()}


def action(words: str) -> tuple[Callable[..., None], list[str]]:
    """The function and the arguments that a table's ``do`` names."""
    name, *arguments = words.split()
    function: Callable[..., None] = ACTIONS[name.replace("-", "_")]
    return function, arguments
