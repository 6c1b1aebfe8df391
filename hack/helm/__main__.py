"""hack/from-helm VALUES.yaml: writes an overlay for what maps, and says of every other value what to do about it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hack.helm import operations, table, write
from hack.helm.overlay import Overlay
from hack.stack.new_instance import CHECKOUT, Failure, check_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hack.helm.table import Keys, Row

TITLES = {
    "hand": "To do by hand",
    "not": "Not here",
    "unneeded": "Not needed",
}
FIELDS = (write.pod, write.every_pod, operations.scaled_object, operations.pod_autoscaler)
"""What is given the name of one field."""


def translate(values: Mapping[str, Any], overlay: Overlay, chart: str) -> tuple[dict[Keys, Row], list[Keys]]:
    """Fill the overlay; return which row spoke for which keys, and the keys that the chart does not have."""
    found, unknown = table.sorted_out(table.load(chart), values)
    # Which components there are comes first: other rows say something about their objects.
    for path, row in sorted(found.items(), key=lambda each: not each[1].action.startswith("component ")):
        if row.kind == "do":
            _do(row, path, table.at(values, path), overlay)
    overlay.settle()
    return found, unknown


def _do(row: Row, path: Keys, value: Any, overlay: Overlay) -> None:  # noqa: ANN401 - whatever YAML holds
    function, arguments = write.action(row.action)
    name = ".".join(path)
    if function in FIELDS and len(arguments) == (function is write.pod):
        arguments.append(path[-1])  # the chart calls the field as Kubernetes does
    try:
        if function is write.tier:
            write.tier(overlay, value, path=name)
        else:
            function(overlay, value, *arguments)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        overlay.by_hand(f"{name} is not as the chart has it ({type(error).__name__}: {error}): {row.text}")


def report(values: Mapping[str, Any], found: dict[Keys, Row], unknown: list[Keys], overlay: Overlay) -> Iterator[str]:
    """Every key once, under what becomes of it."""
    off = [path for path, row in found.items() if row.action.startswith("component") and not table.at(values, path)]
    found = {path: row for path, row in found.items() if path not in off}
    overlay.left += [f"{', '.join('.'.join(path) for path in off)}: off there, and off here"] if off else []
    yield "\n# Written"
    yield from _lines(found, "do")
    yield from _section(TITLES["hand"], [*_lines(found, "hand"), *(f"- {each}" for each in overlay.hand)])
    yield from _section(TITLES["not"], list(_lines(found, "not")))
    yield from _section(TITLES["unneeded"], [*_lines(found, "unneeded"), *(f"- {each}" for each in overlay.left)])
    yield from _section("Unknown to this chart", [f"- {'.'.join(path)}: look it up" for path in unknown])
    yield f"\n# Secrets\nhack/secrets --namespace {overlay.namespace} --prefix {overlay.name}- makes what is missing."
    if overlay.secrets:
        yield "Values that the old deployment has go to it before, one by one, as --value NAME/KEY=…:"
        yield from (f"- {each}" for each in sorted(overlay.secrets))


def documentation() -> str:
    """docs/from-helm.md."""
    parts = [(CHECKOUT / "hack/helm/from-helm.md").read_text().rstrip()]
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


def read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text())
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise Failure(f"{file} is not YAML, or is a template: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise Failure(f"{file} has no values; give it what `helm get values RELEASE -o yaml` prints")
    return values


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hack/from-helm", description=__doc__)
    parser.add_argument("values", type=Path, metavar="VALUES.yaml", help="as `helm get values RELEASE -o yaml` prints")
    parser.add_argument("--name", default="from-helm", help="of the overlay, its prefix and its label (from-helm)")
    parser.add_argument("--namespace", default="airflow")
    parser.add_argument("--chart", choices=table.CHARTS, help="default: recognised by its keys")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    try:
        check_name(options.name, "--name")
        check_name(options.namespace, "--namespace")
        directory = CHECKOUT / "overlays" / options.name
        if directory.exists():
            raise Failure(f"overlays/{options.name} is there already: take another --name, or remove it first")
        values = read(options.values)
        chart = options.chart or table.recognised(values)
        overlay = Overlay(options.name, options.namespace, CHECKOUT / "base")
        found, unknown = translate(values, overlay, chart)
        overlay.write(directory)
    except Failure as failure:
        sys.exit(f"hack/from-helm: {failure}")
    print(f"overlays/{options.name}, from values of {table.CHARTS[chart]}: {', '.join(sorted(os_names(directory)))}")
    print("\n".join(report(values, found, unknown, overlay)))


def os_names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


if __name__ == "__main__":
    main()
