"""Reads Git's own variables that people set for SSH and TLS. gitsync gives Git none of its environment's variables."""

from __future__ import annotations

import getopt
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_OURS = frozenset({"batchmode", "globalknownhostsfile", "identitiesonly", "loglevel"})
"""Options of ssh that gitsync sets itself, or that change no connection."""
_HOST_KEYS = {"yes": True, "no": False, "off": False}
_FLAGS = {"-4": "inet", "-6": "inet6"}
_WITH_VALUE = {"-i": "IdentityFile", "-J": "ProxyJump", "-p": "Port", "-c": "Ciphers", "-m": "MACs"}
_WITHOUT_EFFECT = ("-v", "-q", "-T")


def options(environ: Mapping[str, str]) -> dict[str, Any]:
    """The options, by name, that ``GIT_SSH_COMMAND`` and ``GIT_SSL_NO_VERIFY`` stand for. Raises ValueError."""
    found: dict[str, Any] = {}
    if environ.get("GIT_SSL_NO_VERIFY"):
        found["git_config"] = (("http.sslVerify", "false"),)
    if command := environ.get("GIT_SSH_COMMAND"):
        for name, value in _pairs(command):
            _take(found, name, value)
    return found


def _pairs(command: str) -> list[tuple[str, str]]:
    """The options in a command of ssh, by their names in ssh_config(5)."""
    program, *words = shlex.split(command)
    if Path(program).name != "ssh":
        raise _unsupported(program)
    try:
        given, rest = getopt.getopt(words, "46qTvF:J:c:i:m:o:p:")
    except getopt.GetoptError as error:
        raise _unsupported(f"-{error.opt}") from None
    if rest:
        raise _unsupported(rest[0])
    return [_option(flag, value) for flag, value in given if not _empty(flag, value)]


def _empty(flag: str, value: str) -> bool:
    if flag == "-F" and value != "/dev/null":
        raise _unsupported(f"-F {value}")
    return flag in ("-F", *_WITHOUT_EFFECT)


def _option(flag: str, value: str) -> tuple[str, str]:
    if flag in _FLAGS:
        return "AddressFamily", _FLAGS[flag]
    if flag in _WITH_VALUE:
        return _WITH_VALUE[flag], value
    name, _, value = value.partition("=" if "=" in value else " ")
    return name.strip(), value.strip()


def _take(found: dict[str, Any], name: str, value: str) -> None:
    match name.lower():
        case "identityfile":
            found["ssh_key_file"] = (*found.get("ssh_key_file", ()), Path(value))
        case "userknownhostsfile":
            if value != "/dev/null":
                found["ssh_known_hosts_file"] = Path(value)
        case "stricthostkeychecking":
            if value not in _HOST_KEYS:
                raise _unsupported(f"{name}={value}")
            found["ssh_known_hosts"] = _HOST_KEYS[value]
        case lower if lower not in _OURS:
            found["ssh_option"] = (*found.get("ssh_option", ()), (name, value))


def _unsupported(word: str) -> ValueError:
    cure = "use ssh with -i, -o and -J, or --ssh-key-file, --ssh-known-hosts-file and --ssh-option"
    return ValueError(f"$GIT_SSH_COMMAND: {word!r} is not supported; {cure}")
