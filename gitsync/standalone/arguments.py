"""Makes Options of flags and environment variables. Flags win over variables, and old names over new ones."""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gitsync.errors import SettingsError
from gitsync.standalone import gitconfig, gitenv
from gitsync.standalone.options import Options
from gitsync.standalone.values import boolean, duration, integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from dataclasses import Field

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Former:
    """An old flag of git-sync."""

    name: str
    now: str
    """The option that has replaced the flag."""
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
    """Make Options. ``defaults`` are those of the command. Raises SettingsError, which names the flag or variable."""
    parser = _parser(prog)
    try:
        given = vars(parser.parse_args(arguments))
        values: dict[str, Any] = {
            **defaults,
            **gitenv.options(environ),
            **_from_environment(environ),
            **_plain(given),
            **_from_former(environ, given),
        }
        return Options(**values)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def error_file(arguments: Sequence[str], environ: Mapping[str, str]) -> Path | None:
    """The place of ``--error-file``, from arguments of which others may be wrong. None if it cannot be told."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    for name in ("--root", "--error-file"):
        variable = name[2:].replace("-", "_").upper()
        older, newer = environ.get(f"GIT_SYNC_{variable}"), environ.get(f"GITSYNC_{variable}")
        parser.add_argument(name, default=older or newer or "")
    try:
        given, _others = parser.parse_known_args(arguments)
    except ValueError:
        return None
    file = Path(given.root or ".") / given.error_file
    return file if given.error_file and (given.root or file.is_absolute()) else None


def leaf(repo: str) -> str:
    """The last part of an address, which is git-sync's default for ``--link``; without a query, as of a token."""
    path = repo.partition("?")[0] if "://" in repo else repo
    return path.strip("/").rpartition("/")[2]


def warnings(options: Options) -> list[str]:
    """Messages about options that are accepted without effect, because they do not change what is published."""
    found = []
    if options.http_pprof:
        found.append("--http-pprof is not supported; use --verbose=1 and /metrics")
    if keys := gitconfig.foreign(options.config):
        found.append(f"--git-config: Git has no such section, so these keys have no effect: {', '.join(keys)}")
    return found


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise ValueError, so that a wrong flag ends as a wrong value does, and is also in ``--error-file``."""
        command = self.prog if " " in self.prog else f"{self.prog} run"  # `gitsync --help` lists the commands
        raise ValueError(f"{message}; `{command} --help` lists the flags")


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog, allow_abbrev=False, argument_default=argparse.SUPPRESS,
        description="Follow a Git ref in a directory. Each flag is also a variable: --git-gc is GITSYNC_GIT_GC.",
    )  # fmt: skip
    for option in fields(Options):
        if option.metadata["flagless"]:
            # git-sync's own tests set its variables by flags with these names.
            parser.add_argument(f"--__env__GITSYNC_{option.name.upper()}", dest=option.name, help=argparse.SUPPRESS)
        else:
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
    """The values of the current flags."""
    known = {option.name: option for option in fields(Options)}
    if given.get("change_permissions") not in (None, "0"):
        raise ValueError("--change-permissions is not supported; use --group-write")
    return {name: _read(known[name], f"--{name.replace('_', '-')}", given[name]) for name in known if name in given}


def _read(option: Field[Any], name: str, given: str | list[str]) -> object:
    """The value of one flag or variable. A flag that may be repeated gives a tuple."""
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
            if environ.get(name):  # charts set unused variables to an empty string
                found[option.name] = _read(option, f"${name}", environ[name])
    return found


def _from_former(environ: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, object]:
    """The values of git-sync's old flags and variables, by the names of today's options."""
    if environ.get("GIT_SYNC_PERMISSIONS", "0") not in ("", "0"):
        raise ValueError("$GIT_SYNC_PERMISSIONS is not supported; use GITSYNC_GROUP_WRITE")
    found: dict[str, object] = {}
    for former in FORMER:
        text = given.get(f"former {former.name}", environ.get(former.variable, ""))
        # Charts set both branch and rev. The value HEAD of rev means that the branch counts.
        if not isinstance(text, str) or text in ("", "0") or (former.name == "rev" and text == "HEAD"):
            continue
        if former.name == "rev" and "ref" in found:
            raise ValueError("--branch and --rev contradict each other; use --ref")
        found[former.now] = _parsed(former.parse, f"--{former.name}", text)
    return found
