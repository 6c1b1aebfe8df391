"""``gitsync check``: the gate as a command, for the CI of a DAG repository.

It needs the Airflow and the packages that will run the DAGs, so run it in the deployment's Airflow image.
"""

from __future__ import annotations

import json
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gitsync.airflow.gate.options import GateOptions, GatePolicy
from gitsync.airflow.gate.verdict import Problem, problems, refusal
from gitsync.airflow.plain import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from gitsync.airflow.gate.report import GateReport

HELP = "check a checkout's DAGs as the gate would, and exit with 1 if it would refuse them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="the root of a checkout")
    parser.add_argument("--subdirectory", default="", help="the DAG folder, below the root")
    base = parser.add_mutually_exclusive_group()
    base.add_argument("--base", metavar="REV", help="the published revision, such as origin/main, to compare with")
    base.add_argument("--against", type=Path, metavar="PATH", help="a checkout of the published revision")
    parser.add_argument(
        "--policy", choices=[*map(str, GatePolicy)], help="default: no-worse with --base or --against, else strict"
    )
    parser.add_argument("--check", metavar="COMMAND", help="the repository's own check, such as 'pytest -q tests'")
    parser.add_argument(
        "--options", type=Path, metavar="FILE", help="YAML with `gate` and `tree` as in the source's configuration"
    )
    parser.add_argument("--bundle", default="dags", help="name of the bundle in Airflow (dags)")
    parser.add_argument("--timeout", type=float, help=f"seconds for one file ({GateOptions.timeout:g})")
    parser.add_argument("--memory", type=int, help=f"MiB for one process ({GateOptions.memory})")
    parser.add_argument(
        "--network", action="store_true", help="go on if the kernel cannot keep DAG code off the network"
    )
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    parser.add_argument("--github", action="store_true", help="print each problem as a GitHub annotation")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print a table or JSON, and each problem on a line of its own; exit with 1 when there is one."""
    try:
        from gitsync.airflow.gate import confine, parse  # noqa: PLC0415 - Airflow
    except ModuleNotFoundError as error:
        _fail(f"{error}: run this in your deployment's Airflow image, or wherever Airflow is installed")
    parse.warm_up()
    signal.signal(
        signal.SIGTERM, lambda _number, _frame: sys.exit(1)
    )  # an exception, so that child processes end first
    confine.adopt_orphans()
    given = _given(arguments.options)
    options = _options(arguments, given.get("gate", {}))
    found = _report(arguments.path, arguments, options)
    base = _base(arguments, options)
    every = list(_problems(arguments, options, given.get("tree", {}), found, base))
    if arguments.json:
        reason = refusal(options.policy, found, base)
        whole = {"refusal": reason, "problems": [each._asdict() for each in every], **found.as_json()}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
    else:
        sys.stdout.write(f"{_table(found)}\n")
    sys.stdout.flush()
    for each in every:
        sys.stderr.write(f"{_annotation(each) if arguments.github else _text(each)}\n")
    if every:
        _fail(f"refused: {len(every)} problem{'s' * (len(every) != 1)}")


def _given(file: Path | None) -> dict[str, Any]:
    """The content of the options' file: ``gate`` and ``tree`` by name."""
    if file is None:
        return {}
    import yaml  # noqa: PLC0415 - Airflow has it, a sidecar has not

    try:
        given = yaml.load(file.read_text(), yaml.BaseLoader)  # noqa: S506 - strings only: `off` is a word
        if not isinstance(given, dict) or given.keys() - {"gate", "tree"}:
            raise ValueError("the file may have `gate` and `tree`, and nothing else")
    except (OSError, ValueError, yaml.YAMLError) as error:
        _fail(f"--options {file}: {' '.join(str(error).split())}")
    return {name: {key: _typed(value) for key, value in part.items()} for name, part in given.items()}


def _typed(value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Turn numbers, ``true`` and ``false`` into values, and lists into tuples; leave other text."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str):
        try:
            return {"true": True, "false": False}[value] if value in ("true", "false") else _number(value)
        except ValueError:
            return value
    return value


def _number(text: str) -> float | int:
    return int(text) if text.isdecimal() else float(text)


def _options(arguments: argparse.Namespace, given: dict[str, Any]) -> GateOptions:
    policy = GatePolicy.NO_WORSE if arguments.base or arguments.against else GatePolicy.STRICT
    chosen: dict[str, Any] = {"total": 3600, "policy": policy, **given}
    named = {"policy": arguments.policy, "timeout": arguments.timeout, "memory": arguments.memory}
    named["check"] = tuple(shlex.split(arguments.check)) if arguments.check else None
    named["confine"] = False if arguments.network else None
    try:
        return GateOptions.of({**chosen, **{name: value for name, value in named.items() if value is not None}})
    except (TypeError, ValueError) as error:
        _fail(f"the gate's options: {error}")


def _report(tree: Path, arguments: argparse.Namespace, options: GateOptions) -> GateReport:
    from gitsync.airflow.gate import work  # noqa: PLC0415 - it may import Airflow

    request = {"tree": str(tree.resolve()), "subdirectory": arguments.subdirectory, "bundle": arguments.bundle}
    try:
        return work.parse({**request, "skip": [], "options": options.as_json()})
    except work.Unable as error:
        _fail(str(error))


def _base(arguments: argparse.Namespace, options: GateOptions) -> GateReport | None:
    """The report to compare with; None without ``--base`` and ``--against``, or if the base has no DAG folder."""
    from gitsync.airflow.gate import checkout  # noqa: PLC0415 - it may import Airflow

    if arguments.against:
        return _report(arguments.against, arguments, options)
    if not arguments.base:
        return None
    with tempfile.TemporaryDirectory() as directory:
        try:
            tree = checkout.check_out(arguments.path, arguments.base, Path(directory, "base"))
        except checkout.NoRevision as error:
            _fail(str(error))
        return _report(tree, arguments, options) if (tree / arguments.subdirectory).is_dir() else None


def _problems(
    arguments: argparse.Namespace,
    options: GateOptions,
    tree: dict[str, Any],
    found: GateReport,
    base: GateReport | None,
) -> Iterator[Problem]:
    """The problems that the gate, the policy on trees and the repository's own check find; paths are from the root."""
    from gitsync.airflow.gate import checkout  # noqa: PLC0415 - it may import Airflow
    from gitsync.airflow.policy import TreePolicy  # noqa: PLC0415 - it may import Airflow

    folder = Path(arguments.subdirectory)
    spoken = problems(options.policy, found, base)
    for each in spoken:
        yield each._replace(file=str(folder / each.file), line=each.line or _mention(arguments.path, folder, each))
    if options.policy is not GatePolicy.OFF and not found.dags and not spoken:
        yield Problem(str(folder), "no DAG in this folder; check --subdirectory and .airflowignore")
    try:
        policy = TreePolicy(**tree)
    except (TypeError, ValueError) as error:
        _fail(f"--options: tree: {error}")
    yield from (Problem("", f"the tree: {why}") for why in checkout.against_policy(arguments.path, policy))
    if options.check and not spoken:
        yield from _own_check(arguments.path, options)


def _mention(root: Path, folder: Path, problem: Problem) -> int | None:
    """The first line of the file that has the DAG's id. Airflow gives no line for a duplicate id."""
    dag = problem.text.split()[1] if problem.text.startswith("DAG ") else None
    file = root / folder / problem.file
    if dag is None or not file.is_file():
        return None
    lines = enumerate(file.read_text(errors="replace").splitlines(), 1)
    return next((number for number, line in lines if f'"{dag}"' in line or f"'{dag}'" in line), None)


def _own_check(tree: Path, options: GateOptions) -> Iterator[Problem]:
    from gitsync.airflow.gate import work  # noqa: PLC0415 - it may import Airflow

    try:
        done = work.check({"tree": str(tree.resolve()), "options": options.as_json()})
    except work.Unable as error:
        _fail(str(error))
    if done.failure:
        yield Problem("", " | ".join([f"{shlex.join(options.check)}: {done.failure}", *done.output]))


def _fail(message: str) -> NoReturn:
    sys.exit(f"gitsync: {printable(message)}")


def _text(problem: Problem) -> str:
    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    return printable(f"{place}: {problem.text}" if place not in ("", ".") else problem.text)


def _annotation(problem: Problem) -> str:
    place = f"file={_property(problem.file)},line={problem.line or 1}" if problem.file not in ("", ".") else ""
    text = "%0A".join(printable(line) for line in problem.text.replace("%", "%25").split("\n"))
    return f"::error {place}::{text}".replace("error ::", "error::")


def _property(text: str) -> str:
    """``text`` as the value of an annotation's property."""
    return printable(text).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")


def _table(report: GateReport) -> str:
    width = max((len(name) for name in report.files), default=4)
    lines = [f"{'FILE':<{width}}  SECONDS  DAGS"]
    for name, file in sorted(report.files.items()):
        shown = printable(file.trouble or ", ".join(file.dags) or "-")
        lines.append(f"{printable(name):<{width}}  {file.seconds:>7.2f}  {shown}")
    lines.append(f"{len(report.files)} files, {len(report.dags)} DAGs, {report.seconds:.1f} s")
    return "\n".join(lines)
