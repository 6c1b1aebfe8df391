"""Fills an overlay from a chart's values, and says what to do about each value that cannot be translated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hack.operate.helm import effects, operations, options, pods, secretive, sources, table, write
from hack.operate.helm.outcome import ByHand, NoEffect
from hack.operate.helm.overlay import Overlay
from hack.operate.overlay import CHECKOUT, OVERLAYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hack.operate.helm.table import Keys, Row

TITLES = {
    "hand": "To do by hand",
    "not": "Not here",
    "unneeded": "Not needed",
}
FIELDS = (pods.pod, pods.every_pod, operations.scaled_object, operations.pod_autoscaler)
"""Functions that get the name of one field as an argument."""
SWITCHES = (write.component, write.bundled, write.flower, write.tier, sources.git_sync)
"""Functions of values that are true or false."""
LOOKING = (
    *options.HANDLED, write.connections, write.variables, write.secret, write.admin, write.broker, write.database,
    sources.source, sources.bundles, pods.service, pods.environment_from,
)  # fmt: skip
"""Functions that look at each value for secrets themselves, or write none."""


def translate(values: Mapping[str, Any], overlay: Overlay, chart: str) -> tuple[dict[Keys, Row], list[Keys]]:
    """Fill the overlay. Return the rows that were carried out by their keys, and the keys that the chart has not."""
    found, unknown = table.sorted_out(table.load(chart), values)
    # Rows that choose components come first, because other rows change the components' objects.
    for path, row in sorted(found.items(), key=lambda each: not each[1].action.startswith(("component ", "executor"))):
        if row.kind == "do" and not _do(row, path, table.at(values, path), overlay):
            del found[path]
    overlay.settle()
    effects.take_out(found, {path: table.at(values, path) for path in found}, overlay)
    return found, unknown


def _do(row: Row, path: Keys, value: Any, overlay: Overlay) -> bool:
    """Carry out a row. False: a sentence says why not."""
    function, arguments = write.action(row.action)
    name = ".".join(path)
    if function in FIELDS and len(arguments) == (function is pods.pod):
        arguments.append(path[-1])  # the chart calls the field as Kubernetes does
    if function not in LOOKING and (reason := _unfit(value)):
        overlay.by_hand(f"{name} {reason}: {row.text}")
        return False
    try:
        if function in SWITCHES:
            value = _switch(overlay, name, value)
        if function is write.tier:
            write.tier(overlay, value, path=name)
        else:
            function(overlay, value, *arguments)
    except NoEffect as reason:
        overlay.leave(f"{name}: {reason}")
        return False
    except ByHand as step:
        overlay.by_hand(f"{name}: {step}")
        return False
    except (TypeError, ValueError, KeyError, AttributeError, IndexError):
        overlay.by_hand(f"{name} is not as the chart has it (it is of the type {type(value).__name__}): {row.text}")
        return False
    return True


def _unfit(value: Any) -> str | None:
    """Why a value cannot be written as it is."""
    if secretive.looks(value):
        return "has what looks like a secret, so it is left out; give it from a Secret"
    if any("{{" in each for each in secretive.texts(value)):
        return "is a template of the chart's, so it is left out; write what it becomes"
    if any("${" in each for each in secretive.texts(value)):
        return "has a placeholder in `${…}`, so it is left out; write what it becomes"
    return None


def _switch(overlay: Overlay, name: str, value: Any) -> bool:
    """True or false. Raises TypeError for anything else, but for these two words as text."""
    word = str(value).lower()
    if word not in ("true", "false"):
        raise TypeError(name)
    if isinstance(value, str):
        overlay.by_hand(f"{name} is the text {word}, and is taken as {word}; Helm takes every text for true")
    return word == "true"


def report(values: Mapping[str, Any], found: dict[Keys, Row], unknown: list[Keys], overlay: Overlay) -> Iterator[str]:
    """The lines for people: every key once, below the heading of its result."""
    off = [path for path, row in found.items() if _off(row, path, table.at(values, path))]
    found = {path: row for path, row in found.items() if path not in off}
    overlay.left += [f"{', '.join('.'.join(path) for path in off)}: off there, and off here"] if off else []
    yield from _section("First", list(effects.first(overlay)))
    yield "\n# Written"
    yield from _lines(found, "do")
    yield from _section(TITLES["hand"], [*_lines(found, "hand"), *(f"- {each}" for each in overlay.hand)])
    yield from _section(TITLES["not"], list(_lines(found, "not")))
    yield from _section(TITLES["unneeded"], [*_lines(found, "unneeded"), *(f"- {each}" for each in overlay.left)])
    yield from _section("Unknown to this chart", list(_unknown(unknown, table.load(table.recognised(values)))))
    yield f"\n# Secrets\nhack/kube-airflow secrets --overlay {overlay.name} makes what is missing."
    if overlay.secrets:
        yield "Values that the old deployment has go to it before, one by one, as --value NAME/KEY=…:"
        yield from (f"- {each}" for each in sorted(overlay.secrets))


def _off(row: Row, path: Keys, value: Any) -> bool:
    """If a value turns off what is off here, too."""
    if row.action.startswith("component"):
        return not value
    enabled = value.get("enabled") if isinstance(value, dict) else value if path[-1] == "enabled" else None
    return row.kind in ("hand", "not") and str(enabled).lower() == "false"


def _unknown(unknown: list[Keys], rows: Sequence[Row]) -> Iterator[str]:
    """A line for each key without a row. People put values below `airflow` that the chart has at the top."""
    for path in unknown:
        if path[0] == "airflow" and _has(rows, path[1:]):
            yield f"- {'.'.join(path)}: the chart has {'.'.join(path[1:])}, and ignores this one"
        else:
            yield f"- {'.'.join(path)}: the chart has no such value; if yours is older and had it, look it up there"


def _has(rows: Sequence[Row], path: Keys) -> bool:
    """If a row names the value itself, and not only the workload that it belongs to."""
    return any(row.match(path) and (len(path) == 1 or row.weight(path)[1] > 1) for row in rows)


def documentation() -> str:
    """The text of docs/from-helm.md."""
    parts = [(CHECKOUT / "hack/operate/helm/from-helm.md").read_text().rstrip()]
    words = {"do": "written", "hand": "by hand", "unneeded": "not needed", "not": "not here"}
    for chart, title in table.CHARTS.items():
        parts.append(f"\n## Values of {title}\n\n| values | | here |\n|---|---|---|")
        parts += [f"| {row.names} | {words[row.kind]} | {row.text} |" for row in table.load(chart)]
    return "\n".join(parts) + "\n"


def _lines(found: dict[Keys, Row], kind: str) -> Iterator[str]:
    by_text: dict[str, list[str]] = {}
    for path, row in found.items():
        if row.kind == kind:
            by_text.setdefault(row.text, []).append(".".join(path))
    yield from (f"- {', '.join(keys)}: {text}" for text, keys in by_text.items())


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"\n# {title}"
        yield from lines


def written(values: dict[str, Any], chart: str | None, name: str, namespace: str) -> Iterator[str]:
    """Write overlays/NAME, and yield lines for people. ``chart`` None: the keys tell the chart. Raises Failure."""
    chart = chart or table.recognised(values)
    overlay = Overlay(name, namespace, CHECKOUT / "base")
    found, unknown = translate(values, overlay, chart)
    overlay.write(OVERLAYS / name)
    files = sorted(path.name for path in (OVERLAYS / name).iterdir())
    yield f"overlays/{name}, from values of {table.CHARTS[chart]}: {', '.join(files)}"
    yield from report(values, found, unknown, overlay)
