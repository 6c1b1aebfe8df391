"""The tables of charts: a row for each value, with its translation or a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hack.operate.helm import ours

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FOLDER = Path(__file__).parent
CHARTS = {"official": "the official Airflow chart", "community": "the community chart (airflow-helm/charts)"}
KINDS = ("do", "hand", "unneeded", "not")
TIERS = {
    "apiServer", "cleanup", "dagProcessor", "databaseCleanup", "flower", "otelCollector", "pgbouncer", "redis",
    "scheduler", "statsd", "triggerer", "web", "webserver", "workers",
}  # fmt: skip
"""The names that `*` stands for at the beginning of a key: those of workloads."""
Keys = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One rule, for some keys and all keys below them."""

    keys: tuple[Keys, ...]
    kind: str
    """One of KINDS."""
    action: str
    """The function of `write` and its arguments, for the kind ``do``."""
    text: str

    @property
    def names(self) -> str:
        return ", ".join(f"`{'.'.join(key)}`" for key in self.keys)

    def match(self, path: Keys) -> Keys | None:
        """The longest part of ``path`` that matches one of the keys."""
        found = self._found(path)
        return path[: max(map(len, found))] if found else None

    def weight(self, path: Keys) -> tuple[int, int, int]:
        """The precision with which the row matches ``path``: more names count more, then fewer stars.

        What a row writes whole, such as `ingress.web`, counts before a row with stars for a part of that.
        """
        found = [(key, "".join(key).count("*")) for key in self._found(path)]
        whole = self.kind == "do"
        return max(
            ((whole and len(key) > 1 and not stars, len(key), -stars) for key, stars in found), default=(0, 0, 0)
        )

    def _found(self, path: Keys) -> list[Keys]:
        found = [key for key in self.keys if len(key) <= len(path) and all(map(fnmatchcase, path, key))]
        return [key for key in found if key[0] != "*" or path[0] in TIERS]


@cache
def load(chart: str) -> tuple[Row, ...]:
    """The rows of one chart's table."""
    return tuple(map(_row, ours.document(FOLDER / f"{chart}.yaml")))


def _row(given: dict[str, Any]) -> Row:
    (kind,) = (name for name in KINDS if name in given)
    keys = tuple(tuple(key.split(".")) for key in given["keys"])
    text = given["here"] if kind == "do" else given[kind]
    return Row(keys, kind, given[kind] if kind == "do" else "", text)


def known(values: Mapping[str, Any]) -> int:
    """How many top keys one of the charts has."""
    tops = [{key[0] for row in load(chart) for key in row.keys if "*" not in key[0]} for chart in CHARTS]
    return max(len(each & values.keys()) for each in tops)


def recognised(values: Mapping[str, Any]) -> str:
    """The chart that has most of the values. In doubt, one of the community's own keys tells."""
    counts = {chart: len(sorted_out(load(chart), values)[1]) for chart in CHARTS}
    if counts["community"] == counts["official"]:
        own = {"airflow", "web", "externalDatabase", "externalRedis"} & values.keys()
        return "community" if own else "official"
    return min(counts, key=lambda chart: counts[chart])


def leaves(value: Any, path: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every value that is set, with its path of keys. Lists stay whole."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, str(key)))
    elif value is not None and value not in ("", []):
        yield path, value


def at(values: Any, path: Keys) -> Any:
    for name in path:
        values = values[name] if name in values else values[int(name)]
    return values


def sorted_out(rows: Sequence[Row], values: Mapping[str, Any]) -> tuple[dict[Keys, Row], list[Keys]]:
    """The row for each key, and the keys without a row."""
    found: dict[Keys, Row] = {}
    unknown = []
    for path, _value in leaves(values):
        row = max(rows, key=lambda each: each.weight(path))
        if (prefix := row.match(path)) is not None:
            found[prefix] = row
        else:
            unknown.append(path)
    return found, unknown
