"""The program ``gitsync`` of Airflow's image, with the commands ``serve`` and ``check``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from gitsync.airflow.gate import check
from gitsync.airflow.gate.place import Scratch


def main() -> None:
    parser = argparse.ArgumentParser(prog="gitsync", description="Checks DAGs before they are published.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    server = commands.add_parser("serve", help="run the gate for the controller of the same pod")
    server.add_argument("--socket", metavar="NAME", required=True, help="name in the pod's network namespace, no file")
    server.add_argument(
        "--scratch", metavar="DIR", type=Path, action="append", required=True,
        help="a folder that DAG code writes to; the gate empties it. The first one is for temporary files",
    )  # fmt: skip
    server.set_defaults(run=_serve)
    check.add_arguments(commands.add_parser("check", help=check.HELP))
    arguments = parser.parse_args()
    arguments.run(arguments)


def _serve(arguments: argparse.Namespace) -> None:
    scratch = Scratch(arguments.scratch)
    scratch.clear()  # before Airflow reads a configuration there, which DAG code may have written
    tempfile.tempdir = str(arguments.scratch[0])
    from gitsync.airflow.gate import parse, serve  # noqa: PLC0415 - Airflow

    parse.warm_up()
    scratch.keep()
    serve.serve(arguments.socket, scratch)


if __name__ == "__main__":
    main()
