"""Arguments and environment as Options: flags win over variables, and older names over newer ones, as upstream."""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from gitsync.errors import SettingsError
from gitsync.standalone.options import Options
from gitsync.standalone.values import boolean, duration, integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from dataclasses import Field

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Former:
    """A flag of upstream's past and what it is now."""

    name: str
    now: str
    parse: Callable[[str], object] = str
    variable: str = ""


FORMER = (
    Former("branch", "ref", variable="GIT_SYNC_BRANCH"),
    Former("rev", "ref", variable="GIT_SYNC_REV"),
    Former("dest", "link", variable="GIT_SYNC_DEST"),
    Former("wait", "period", duration, "GIT_SYNC_WAIT"),
    Former("timeout", "sync_timeout", duration, "GIT_SYNC_TIMEOUT"),
    Former("max-sync-failures", "max_failures", integer, "GIT_SYNC_MAX_SYNC_FAILURES"),
    Former("sync-hook-command", "exechook_command", variable="GIT_SYNC_HOOK_COMMAND"),
    Former("password", "password"),
    Former("v", "verbose", integer),
    Former("known-hosts-file", "ssh_known_hosts_file"),
)


def parse(prog: str, arguments: Sequence[str], environ: Mapping[str, str], **defaults: object) -> Options:
    """Raises SettingsError that names the flag or the variable. ``defaults`` are this command's own."""
    parser = _parser(prog)
    try:
        given = vars(parser.parse_args(arguments))
        values: dict[str, Any] = {
            **defaults,
            **_from_environment(environ),
            **_plain(given),
            **_from_former(environ, given),
        }
        return Options(**values)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def leaf(repo: str) -> str:
    """The last part of an address: where upstream puts its link unless told otherwise."""
    return repo.strip("/").rpartition("/")[2]


def warnings(options: Options) -> list[str]:
    """What was asked for and is not done, though what is published is the same."""
    found = []
    if options.http_pprof:
        found.append("--http-pprof is not supported; use --verbose=1 and /metrics")
    return found


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog, allow_abbrev=False, argument_default=argparse.SUPPRESS,
        description="Straight from Git to a directory. Each flag is a variable too: --git-gc, GITSYNC_GIT_GC.",
    )  # fmt: skip
    for option in fields(Options):
        if not option.metadata["flagless"]:
            _add(parser, option)
    for former in FORMER:
        parser.add_argument(f"--{former.name}", dest=f"former {former.name}", help=argparse.SUPPRESS)
    parser.add_argument("--change-permissions", help=argparse.SUPPRESS)
    parser.add_argument("--ssh", nargs="?", help=argparse.SUPPRESS)
    return parser


def _add(parser: argparse.ArgumentParser, option: Field[Any]) -> None:
    names = [f"--{option.name.replace('_', '-')}"]
    if option.name == "verbose":
        names.append("-v")
    kind: dict[str, Any] = {"metavar": "VALUE"}
    if option.metadata["parse"] is boolean:
        kind |= {"nargs": "?", "const": "true"}
    if isinstance(option.default, tuple):
        kind |= {"action": "append"}
    parser.add_argument(*names, dest=option.name, help=_help(option), **kind)


def _help(option: Field[Any]) -> str:
    return str(option.metadata["help"]).replace("%", "%%")


def _plain(given: Mapping[str, Any]) -> dict[str, object]:
    """The flags of today, read."""
    known = {option.name: option for option in fields(Options)}
    if given.get("change_permissions") not in (None, "0"):
        raise ValueError("--change-permissions is not supported; use --group-write")
    return {name: _read(known[name], f"--{name.replace('_', '-')}", given[name]) for name in known if name in given}


def _read(option: Field[Any], name: str, given: str | list[str]) -> object:
    """The value of one flag or variable; several of them become a tuple."""
    texts = [given] if isinstance(given, str) else given
    parsed = [_parsed(option.metadata["parse"], name, text) for text in texts]
    if not isinstance(option.default, tuple):
        return parsed[-1]
    return tuple(item for value in parsed for item in (value if isinstance(value, tuple) else (value,)))


def _parsed(parse_text: Callable[[str], object], name: str, text: str) -> object:
    try:
        return parse_text(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    found = {}
    for option in fields(Options):
        upper = option.name.upper()
        for name in (f"GITSYNC_{upper}", f"GIT_SYNC_{upper}", *option.metadata["older"]):
            if environ.get(name):  # charts set what they leave open to nothing
                found[option.name] = _read(option, f"${name}", environ[name])
    return found


def _from_former(environ: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, object]:
    """What upstream's former flags and variables say, by the names of today."""
    if environ.get("GIT_SYNC_PERMISSIONS", "0") not in ("", "0"):
        raise ValueError("$GIT_SYNC_PERMISSIONS is not supported; use GITSYNC_GROUP_WRITE")
    found: dict[str, object] = {}
    for former in FORMER:
        text = given.get(f"former {former.name}", environ.get(former.variable, ""))
        # Charts set both branch and rev, the latter to HEAD where they mean the branch.
        if not isinstance(text, str) or text in ("", "0") or (former.name == "rev" and text == "HEAD"):
            continue
        if former.name == "rev" and "ref" in found:
            raise ValueError("--branch and --rev contradict each other; use --ref")
        found[former.now] = _parsed(former.parse, f"--{former.name}", text)
    return found
