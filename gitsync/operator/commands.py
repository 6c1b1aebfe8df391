"""The commands of operators: their arguments and their output. Each imports the modules that it needs when it runs."""

from __future__ import annotations

import os
import urllib.parse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsync.rules.orders import ORDERS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands, token_file: Path) -> None:
    """Add the commands to the parser. ``token_file`` is the default file with the operators' token."""
    add_one = partial(_add, commands, token_file)
    status = add_one("status", _status, "show the fetched, candidate and published commits, and why one waits")
    status.add_argument("--json", action="store_true", help="print the whole document as JSON")
    look = add_one("look", _look, "look at the remote now")
    look.add_argument("--source", metavar="NAME", help="look at this source only")
    explain = _of_source(add_one("explain", _explain, "show which DAGs a commit touches, and what would defer it now"))
    explain.add_argument("revision", help="a fetched commit; its id may be abbreviated")
    explain.add_argument("--json", action="store_true", help="print the whole document as JSON")
    for order in ORDERS.values():
        parser = _ordering(add_one(order.verb, _order, order.text))
        if said := order.argument:
            count = None if said.required else "?"
            parser.add_argument("argument", metavar=said.name.upper(), nargs=count, help=said.text)


def _add(
    commands: Commands, token_file: Path, name: str, run: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--url", default="http://localhost:8080", help="the address of a controller")
    parser.add_argument("--token-file", type=Path, default=token_file, help="the file with the operators' token")
    parser.set_defaults(run=run, verb=name)
    return parser


def _of_source(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--source", metavar="NAME", help="the source; needed only if there are several")
    return parser


def _ordering(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--who", help="your name, which `gitsync status` shows ($USER, or: an operator)")
    return _of_source(parser)


def _status(arguments: argparse.Namespace) -> None:
    from gitsync.operator import text  # noqa: PLC0415 - only this command needs it

    document = _ask(arguments, "GET", "/v1/status")
    print(text.as_json(document) if arguments.json else text.as_text(document))


def _look(arguments: argparse.Namespace) -> None:
    path = "/v1/look" if arguments.source is None else f"/v1/sources/{_quoted(arguments.source)}/look"
    _ask(arguments, "POST", path)
    print("looking")


def _explain(arguments: argparse.Namespace) -> None:
    from gitsync.operator import text  # noqa: PLC0415 - only this command needs it

    document = _ask(arguments, "GET", f"/v1/sources/{_source(arguments)}/explain/{_quoted(arguments.revision)}")
    print(text.as_json(document) if arguments.json else text.explanation_as_text(document))


def _order(arguments: argparse.Namespace) -> None:
    """Give an order. Print the decision and the orders in force after it."""
    from gitsync.operator import text  # noqa: PLC0415 - only this command needs it

    said = {"who": arguments.who or os.environ.get("USER") or "an operator"}
    if (argument := ORDERS[arguments.verb].argument) and arguments.argument:
        said[argument.name] = arguments.argument
    document = _ask(arguments, "POST", f"/v1/sources/{_source(arguments)}/{arguments.verb}", said)
    print(text.order_as_text(document))


def _source(arguments: argparse.Namespace) -> str:
    """The name of the source, quoted for a URL; without ``--source``, the only one. Raises SettingsError."""
    from gitsync.errors import SettingsError  # noqa: PLC0415 - only this command needs it

    if arguments.source is not None:
        return _quoted(arguments.source)
    names = [source["name"] for source in _ask(arguments, "GET", "/v1/status")["sources"]]
    if len(names) != 1:
        raise SettingsError(f"there are several sources, so name one with --source: {', '.join(names)}")
    return _quoted(names[0])


def _ask(
    arguments: argparse.Namespace, method: str, path: str, said: Mapping[str, str] | None = None
) -> dict[str, Any]:
    from gitsync.operator import client  # noqa: PLC0415 - only this command needs it

    return client.ask(arguments.url, arguments.token_file, method, path, said)


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")
