"""The gate as a command, for the CI of a DAG repository: run it where the Airflow is that will run the DAGs."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync.gate.options import POLICIES, GateOptions
from gitsync.gate.verdict import refusal

if TYPE_CHECKING:
    import argparse

    from gitsync.gate.report import Report

HELP = "import a tree's DAGs as Airflow would, and exit with 1 if the gate would refuse them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="the root of a checkout")
    parser.add_argument("--subdirectory", default="", help="where its DAG files are")
    parser.add_argument("--against", type=Path, metavar="PATH", help="a checkout of what is published, for no-worse")
    parser.add_argument("--policy", choices=POLICIES, help="default: no-worse with --against, else strict")
    parser.add_argument("--bundle", default="dags", help="name of the bundle in Airflow")
    parser.add_argument("--timeout", type=float, default=GateOptions.timeout, help="seconds for one file")
    parser.add_argument("--memory", type=int, default=GateOptions.memory, help="MiB for one process")
    parser.add_argument("--network", action="store_true", help="parse also where DAG code cannot be kept off it")
    parser.add_argument("--json", action="store_true", help="the whole report, for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print a table or JSON; exit with 1 and one line on a refusal."""
    try:
        from gitsync.gate import confine, parse  # noqa: PLC0415 - Airflow
    except ModuleNotFoundError as error:
        sys.exit(f"gitsync: {error}: run this where Airflow is, for example in the image of your deployment")
    parse.warm_up()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))  # not before its processes are gone
    confine.adopt_orphans()
    policy = arguments.policy or ("no-worse" if arguments.against else "strict")
    options = GateOptions(
        policy=policy, timeout=arguments.timeout, memory=arguments.memory, confine=not arguments.network, total=3600
    )
    found = _report(arguments.path, arguments, options)
    base = _report(arguments.against, arguments, options) if arguments.against else None
    why = refusal(policy, found, base)
    text = json.dumps({"refusal": why, **found.as_json()}, indent=2) if arguments.json else _table(found)
    sys.stdout.write(f"{text}\n")
    if why:
        sys.exit(f"gitsync: refused: {why}")


def _report(tree: Path, arguments: argparse.Namespace, options: GateOptions) -> Report:
    from gitsync.gate import work  # noqa: PLC0415

    request = {
        "tree": str(tree.resolve()),
        "subdirectory": arguments.subdirectory,
        "bundle": arguments.bundle,
        "skip": [],
        "options": options.as_json(),
    }
    try:
        return work.parse(request)
    except work.Refused as error:
        sys.exit(f"gitsync: {error}")


def _table(report: Report) -> str:
    width = max((len(name) for name in report.files), default=4)
    lines = [f"{'FILE':<{width}}  SECONDS  DAGS"]
    for name, file in sorted(report.files.items()):
        lines.append(f"{name:<{width}}  {file.seconds:>7.2f}  {file.trouble or ', '.join(file.dags) or '-'}")
    lines.append(f"{len(report.files)} files, {len(report.dags)} DAGs, {report.seconds:.1f} s")
    return "\n".join(lines)
