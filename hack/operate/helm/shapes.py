"""The types that fields of pods have. A value of another type would make an overlay that no API server takes."""

from __future__ import annotations

import re
from typing import Any

import yaml

OBJECTS = ("tolerations", "topologySpreadConstraints", "hostAliases", "volumes", "volumeMounts", "env")
"""Lists of mappings."""
WORDS = ("priorityClassName", "runtimeClassName", "schedulerName", "repository", "repo", "ref", "rev")
MAPPINGS = ("nodeSelector", "affinity", "resources", "annotations", "labels")
NUMBERS = ("terminationGracePeriodSeconds",)
NAME = re.compile(r"(?:\*\.)?[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
"""A subdomain of RFC 1123, which may begin with a star."""
KEYS: dict[str, set[str]] = {
    "topologySpreadConstraints": {"topologyKey"},
    "volumes": {"name"},
    "volumeMounts": {"name", "mountPath"},
}
"""The keys that each mapping of a list needs."""


def shaped(field: str, value: Any) -> Any:
    """The value of a field, as Kubernetes has it. Raises TypeError."""
    if field in NUMBERS:
        return int(value)
    wanted: dict[str, type] = dict.fromkeys(OBJECTS, list) | dict.fromkeys(MAPPINGS, dict) | dict.fromkeys(WORDS, str)
    if not isinstance(value, wanted.get(field, object)):
        raise TypeError(field)
    if field == "nodeSelector":
        return words(value)
    if field in OBJECTS:
        _check_each(value, KEYS.get(field, set()))
    return value


def _word(item: Any) -> str:
    """Text, as selectors and annotations have it: `true` without quotes is a switch in YAML, and text in Kubernetes."""
    if isinstance(item, dict | list):
        raise TypeError(item)
    return str(item).lower() if isinstance(item, bool) else str(item)


def words(value: Any) -> dict[str, str]:
    """Annotations or labels. Raises TypeError."""
    return {key: _word(item) for key, item in shaped("labels", value).items()}


def _check_each(items: Any, keys: set[str]) -> None:
    for each in items:
        if not isinstance(each, dict) or not keys <= each.keys():
            raise TypeError(each)


def listed(value: Any) -> Any:
    """A list of mappings, which the official chart also accepts as text. Raises TypeError."""
    return shaped("env", yaml.safe_load(value) if isinstance(value, str) else value)


def name(value: Any) -> str:
    """A host, or the name of an object. An API server refuses the object that has another one. Raises TypeError."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise TypeError(value)
    return value
