"""The tables that say what becomes of a chart's values."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = Path(__file__).parent
CHARTS = {"official": "the official Airflow chart", "community": "the community chart (airflow-helm/charts)"}
KINDS = ("do", "hand", "unneeded", "not")
Keys = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One rule: what happens to some keys and all below them."""

    keys: tuple[Keys, ...]
    kind: str
    """One of KINDS."""
    action: str
    """What `write` does, for ``do``."""
    text: str

    @property
    def names(self) -> str:
        return ", ".join(f"`{'.'.join(key)}`" for key in self.keys)

    def match(self, path: Keys) -> Keys | None:
        """The most of ``path`` that one of the keys stands for."""
        found = [key for key in self.keys if len(key) <= len(path) and all(map(fnmatchcase, path, key))]
        return path[: max(map(len, found))] if found else None

    def weight(self, path: Keys) -> tuple[int, int]:
        """How precisely it speaks of ``path``: more names, then fewer stars."""
        found = [key for key in self.keys if len(key) <= len(path) and all(map(fnmatchcase, path, key))]
        return max(((len(key), -"".join(key).count("*")) for key in found), default=(0, 0))


def load(chart: str) -> list[Row]:
    """The rows of one chart's table."""
    rows = yaml.safe_load((FOLDER / f"{chart}.yaml").read_text())
    return [_row(each) for each in rows]


def _row(given: dict[str, Any]) -> Row:
    (kind,) = (name for name in KINDS if name in given)
    keys = tuple(tuple(key.split(".")) for key in given["keys"])
    text = given["here"] if kind == "do" else given[kind]
    return Row(keys, kind, given[kind] if kind == "do" else "", text)


def recognised(values: Mapping[str, Any]) -> str:
    """Which chart the values are for: the community's has all of Airflow's own under `airflow`."""
    return "community" if {"airflow", "web", "externalDatabase", "externalRedis"} & values.keys() else "official"


def leaves(value: Any, path: Keys = ()) -> Iterator[tuple[Keys, Any]]:  # noqa: ANN401 - whatever YAML holds
    """Every value that says something, with the names on the way to it. Lists stay whole."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, str(key)))
    elif value is not None and value not in ("", []):
        yield path, value


def at(values: Any, path: Keys) -> Any:  # noqa: ANN401
    for name in path:
        values = values[name] if name in values else values[int(name)]
    return values


def sorted_out(rows: list[Row], values: Mapping[str, Any]) -> tuple[dict[Keys, Row], list[Keys]]:
    """By the keys that a row speaks for, the row; and the keys that no row knows."""
    found: dict[Keys, Row] = {}
    unknown = []
    for path, _value in leaves(values):
        row = max(rows, key=lambda each: each.weight(path))
        if (prefix := row.match(path)) is not None:
            found[prefix] = row
        else:
            unknown.append(path)
    return found, unknown
