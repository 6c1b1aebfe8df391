"""The actions of table rows that write Airflow's settings and other environment variables."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hack.operate.helm import ours, secretive

if TYPE_CHECKING:
    from hack.operate.helm.overlay import Overlay

Value = Any
OURS = {
    "AIRFLOW__CORE__EXECUTOR", "AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__CELERY__RESULT_BACKEND",
    "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL",
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL", "AIRFLOW__SCHEDULER__STANDALONE_DAG_PROCESSOR",
}  # fmt: skip
"""Settings that the stack makes. Another value would break it."""
SECRETS = {
    "AIRFLOW__CORE__FERNET_KEY": "airflow/fernet-key",
    "AIRFLOW__API__SECRET_KEY": "airflow/api-secret-key",
    "AIRFLOW__API_AUTH__JWT_SECRET": "airflow/jwt-secret",
}
"""The Secret that has the stack's own setting."""
ELSEWHERE = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "component external-postgres, values/database.env, and the Secret postgres",
    "AIRFLOW__CELERY__BROKER_URL": "component external-broker, values/broker.env, and the Secret rabbitmq",
    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": "`sources` in gitsync.yaml, one for each repository",
}
"""Where a person writes what these say."""
OLD_BACKENDS, NEW_BACKENDS = "airflow.api.auth.backend.", "airflow.providers.fab.auth_manager.api.auth.backend."
"""Modules that check users of the API. Airflow 3 does not start with the old ones."""
GONE = (
    "AIRFLOW__WEBSERVER__",
    "AIRFLOW__KUBERNETES__",
    "AIRFLOW__LDAP__",
    "AIRFLOW__ADMIN__",
    "AIRFLOW__GITHUB_ENTERPRISE__",
)
"""Sections that Airflow 3 does not read, apart from the options that have new names."""


@cache
def renamed() -> dict[str, str | None]:
    """The new variable for each old one; None if Airflow has no such option any more."""
    table = ours.document(Path(__file__).parent / "settings.yaml")
    found: dict[str, str | None] = {variable(old): variable(new) for old, new in table["renamed"].items()}
    return found | {variable(old): None for old in table["removed"]}


def variable(option: str) -> str:
    """The environment variable of ``section.option``."""
    section, _, name = option.rpartition(".")
    return f"AIRFLOW__{section.upper().replace('.', '_')}__{name.upper()}"


def setting(overlay: Overlay, value: Value, name: str) -> None:
    """Write one environment variable for all pods of Airflow, under the name that Airflow 3.3 reads."""
    text = value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict | list) else str(value)
    now = _writable(overlay, name)
    if now is None:
        return
    if "{{" in text:
        overlay.by_hand(f"{name} is a template of the chart's: write its value into values/airflow.env")
    elif secretive.named(name, text):
        overlay.by_hand(f"{name} looks like a secret: give it from a Secret, in airflow-pods.yaml")
    elif "\n" in text:
        overlay.by_hand(f"{name} has several lines: mount it as a file, or write one line into values/airflow.env")
    else:
        overlay.settings[now] = text.replace(OLD_BACKENDS, NEW_BACKENDS)
        if now != name:
            overlay.leave(f"{name} is {now} in Airflow 3.3, and written as that")


def _writable(overlay: Overlay, name: str) -> str | None:
    """The name that Airflow 3.3 reads; None, with a sentence for people, if the overlay must not have the setting."""
    now = current(name)
    if now is None:
        overlay.by_hand(f"{name} is left out: Airflow 3.3 does not read it, see `airflow config lint`")
    elif (own := now.removesuffix("_CMD").removesuffix("_SECRET")) in OURS:
        _ours(overlay, name, own)
        return None
    return now


def _ours(overlay: Overlay, name: str, own: str) -> None:
    """Say where a setting goes that the stack makes."""
    if own in ELSEWHERE:
        overlay.by_hand(f"{name} is taken apart: {ELSEWHERE[own]}")
    else:
        overlay.leave(f"{name} is made by the stack itself")
    if own in SECRETS:
        overlay.secrets.add(SECRETS[own])


def reference(overlay: Overlay, item: dict[str, Any]) -> None:
    """Write a variable that a Secret, a ConfigMap or the pod has, under the name that Airflow 3.3 reads."""
    name = item["name"]
    now = _writable(overlay, name)
    if now is not None:
        found = overlay.container("", "airflow").setdefault("env", [])
        found[:] = [each for each in found if each["name"] != now]
        found.append({**item, "name": now})


def current(name: str) -> str | None:
    """The name that Airflow 3.3 reads. None: it reads none."""
    table, seen = renamed(), set()
    now: str | None = name.upper() if name.upper() in table else name
    while now in table and now not in seen:
        seen.add(now)
        now = table[now]
    return None if now and now.startswith(GONE) else now


def settings(overlay: Overlay, value: Value) -> None:
    """Write the chart's `config`, which has sections of airflow.cfg."""
    for section, options in value.items():
        for option, given in (options or {}).items():
            if given not in (None, ""):
                setting(overlay, given, variable(f"{section}.{option}"))


def settings_by_variable(overlay: Overlay, value: Value) -> None:
    for name, given in value.items():
        setting(overlay, given, name)


def environment(overlay: Overlay, value: Value) -> None:
    """Read a list as in a pod. The official chart also accepts it as text."""
    items = value
    if isinstance(value, str):
        if "{{" in value:
            overlay.by_hand("extraEnv is a template of the chart's: write its variables into values/airflow.env")
            return
        items = yaml.safe_load(value)
    for item in items:
        if "valueFrom" in item:
            reference(overlay, item)
        else:
            setting(overlay, item.get("value", ""), item["name"])


def secrets_in_environment(overlay: Overlay, value: Value) -> None:
    for item in value:
        reference = {"secretKeyRef": {"name": item["secretName"], "key": item.get("secretKey", "value")}}
        environment(overlay, [{"name": item["envName"], "valueFrom": reference}])


HANDLED = (setting, settings, settings_by_variable, environment)
"""Functions that look at each value for a secret or a template themselves."""
