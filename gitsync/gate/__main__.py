"""``gitsync`` in the Airflow image, also as ``python -m gitsync.gate``: no other part of the command line is there."""

from __future__ import annotations

import argparse
from pathlib import Path

from gitsync.gate import check


def main() -> None:
    parser = argparse.ArgumentParser(prog="gitsync", description="Checks DAGs before they are published.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    server = commands.add_parser("serve", help="answer the controller of the same pod")
    server.add_argument("--socket", type=Path, required=True)
    server.set_defaults(run=_serve)
    check.add_arguments(commands.add_parser("check", help=check.HELP))
    arguments = parser.parse_args()
    arguments.run(arguments)


def _serve(arguments: argparse.Namespace) -> None:
    from gitsync.gate import parse, serve  # noqa: PLC0415 - Airflow

    parse.warm_up()
    serve.serve(arguments.socket)


if __name__ == "__main__":
    main()
