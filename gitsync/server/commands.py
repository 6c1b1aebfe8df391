"""The commands with which operators ask a running controller. What they need is imported when they run."""

from __future__ import annotations

import json
import os
import urllib.parse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands, token_file: Path) -> None:
    """Add the commands; the operator token is in ``token_file`` unless an argument says otherwise."""
    add_one = partial(_add, commands, token_file)
    status = add_one("status", _status, "what is fetched, published, deferred, and why")
    status.add_argument("--json", action="store_true", help="the whole document, for programs")
    look = add_one("look", _look, "look at the remote now")
    look.add_argument("--source", metavar="NAME", help="look at this one only")
    explain = _of_source(add_one("explain", _explain, "what a commit touches, and what would defer it now"))
    explain.add_argument("revision", help="a commit that has been fetched; may be abbreviated")
    explain.add_argument("--json", action="store_true", help="the whole document, for programs")
    suspend = _ordering(add_one("suspend", _order, "publish nothing until `resume`"))
    suspend.add_argument("argument", metavar="REASON", nargs="?", help="shown to everyone meanwhile")
    _ordering(add_one("resume", _order, "follow the ref again, after `suspend` and after `rollback`"))
    publish = _ordering(add_one("publish", _order, "publish the candidate now, whatever runs"))
    publish.add_argument("argument", metavar="REVISION", nargs="?", help="only if the candidate is this")
    rollback = _ordering(add_one("rollback", _order, "go back to an earlier commit, and stay there until `resume`"))
    rollback.add_argument("argument", metavar="REVISION", help="may be abbreviated")


def _add(
    commands: Commands, token_file: Path, name: str, run: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="of a controller")
    parser.add_argument("--token-file", type=Path, default=token_file)
    parser.set_defaults(run=run, verb=name)
    return parser


def _of_source(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--source", metavar="NAME", help="may be left out when there is only one")
    return parser


def _ordering(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    who = os.environ.get("USER") or "an operator"
    parser.add_argument("--who", default=who, help=f"shown beside the order; now: {who}".replace("%", "%%"))
    return _of_source(parser)


def _status(arguments: argparse.Namespace) -> None:
    from gitsync.controller import status  # noqa: PLC0415

    document = _ask(arguments, "GET", "/v1/status")
    print(status.as_json(document) if arguments.json else status.as_text(document))


def _look(arguments: argparse.Namespace) -> None:
    path = "/v1/look" if arguments.source is None else f"/v1/sources/{_quoted(arguments.source)}/look"
    _ask(arguments, "POST", path)
    print("looking")


def _explain(arguments: argparse.Namespace) -> None:
    from gitsync.controller import status  # noqa: PLC0415

    document = _ask(arguments, "GET", f"/v1/sources/{_source(arguments)}/explain/{_quoted(arguments.revision)}")
    print(json.dumps(document, indent=2) if arguments.json else status.explanation_as_text(document))


def _order(arguments: argparse.Namespace) -> None:
    """Print what is in force afterwards."""
    argument = getattr(arguments, "argument", None)
    named = "reason" if arguments.verb == "suspend" else "revision"
    said = {"who": arguments.who} | ({named: argument} if argument else {})
    document = _ask(arguments, "POST", f"/v1/sources/{_source(arguments)}/{arguments.verb}", said)
    decision = document["decision"]
    print(f"{document['name']}: {decision['action']}: {decision['reason']}")
    for order, value in document["orders"].items():
        if value is not None:
            print(f"{order}: {value}")


def _source(arguments: argparse.Namespace) -> str:
    """The source that is meant. Raises SettingsError."""
    from gitsync.errors import SettingsError  # noqa: PLC0415

    if arguments.source is not None:
        return _quoted(arguments.source)
    names = [source["name"] for source in _ask(arguments, "GET", "/v1/status")["sources"]]
    if len(names) != 1:
        raise SettingsError(f"say which --source is meant: {', '.join(names)}")
    return _quoted(names[0])


def _ask(
    arguments: argparse.Namespace, method: str, path: str, said: Mapping[str, str] | None = None
) -> dict[str, Any]:
    from gitsync.server import client  # noqa: PLC0415

    return client.ask(arguments.url, arguments.token_file, method, path, said)


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")
