"""Parses the values of flags and environment variables. Their syntax is Go's, because git-sync is a Go program.

Each function raises ValueError. The caller puts the flag's name before the message.
"""

from __future__ import annotations

import json
import math
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import StrEnum

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_YES = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_NO = frozenset(("0", "f", "F", "FALSE", "false", "False"))
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', ",": ",", "\\": "\\"}


def duration(text: str) -> float:
    """Seconds, from ``1m30s``, ``100ms`` or ``-1s`` as in Go's ``time.ParseDuration``, or from a bare number."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = _go_duration(text)
    if not math.isfinite(seconds):
        raise ValueError(f"{text!r} is not a duration, such as 10s, 1m30s or 2.5")
    return seconds


def _go_duration(text: str) -> float:
    sign, digits = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    parts = _PART.findall(digits)
    if not parts or "".join(number + unit for number, unit in parts) != digits:
        raise ValueError(f"{text!r} is not a duration, such as 10s, 1m30s or 2.5")
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)


def boolean(text: str) -> bool:
    """A boolean, as in Go's ``strconv.ParseBool``."""
    if text in _YES or text in _NO:
        return text in _YES
    raise ValueError(f"{text!r} is neither true nor false")


def integer(text: str) -> int:
    """A whole number, decimal or with ``0x``, ``0o`` or ``0b``."""
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None


def success_status(text: str) -> int:
    """An HTTP status; 0 for any. git-sync also takes -1 for any."""
    status = integer(text)
    if status not in (-1, 0) and not 100 <= status <= 599:
        raise ValueError(f"{text!r} is no HTTP status; use one such as 200, or 0 for any")
    return max(status, 0)


def signal_number(text: str) -> int:
    """The number of a signal, from its name with or without ``SIG``, or from its number."""
    try:
        return signal.Signals(int(text, 0)).value
    except ValueError:
        pass
    name = text if text.startswith("SIG") else f"SIG{text}"
    if name not in signal.Signals.__members__:
        raise ValueError(f"{text!r} is not a signal, such as SIGHUP, HUP or 1")
    return signal.Signals[name].value


def one_of(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    """A parser for the words of ``kind``."""

    def read(text: str) -> StrEnum:
        if text not in {*map(str, kind)}:
            raise ValueError(f"{text!r} must be one of {', '.join(kind)}")
        return kind(text)

    return read


def paths(text: str) -> tuple[Path, ...]:
    """Several paths, separated by colons as in ``PATH``."""
    return tuple(Path(part) for part in text.split(":") if part)


def ssh_option(text: str) -> tuple[tuple[str, str], ...]:
    """One option of ssh_config(5)."""
    name, found, value = text.partition("=")
    if not found:
        raise ValueError(f"{text!r} has no value; write NAME=VALUE")
    return ((name, value),)


def words(text: str) -> tuple[str, ...]:
    """Words, separated by commas or spaces."""
    return tuple(text.replace(",", " ").split())


def credentials(text: str) -> tuple[Mapping[str, Any], ...]:
    """Credentials for addresses, from git-sync's JSON: one object or a list of objects."""
    try:
        document = json.loads(text)
    except ValueError:
        raise ValueError("this is not JSON") from None
    items = document if isinstance(document, list) else [document]
    return tuple(_credential(item) for item in items)


def _credential(item: object) -> Mapping[str, Any]:
    if not isinstance(item, dict) or not all(isinstance(value, str) for value in item.values()):
        raise ValueError("a credential is a JSON object of strings")
    if unknown := item.keys() - {"url", "username", "password", "password-file"}:
        raise ValueError(f"a credential has no {', '.join(sorted(unknown))}")
    if not item.get("url") or not item.get("username") or not (item.get("password") or item.get("password-file")):
        raise ValueError("a credential needs url, username, and password or password-file")
    file = item.get("password-file")
    return {
        "url": item["url"],
        "username": item["username"],
        "password": item.get("password", ""),
        "password_file": Path(file) if file else None,
    }


def git_config(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs, from ``section.key:value,"section.sub.key":"value"`` with git-sync's quotes and escapes."""
    found, rest = [], text
    while rest:
        key, rest = _word(rest, until=":")
        if not rest.startswith(":"):
            raise ValueError(f"{key!r} has no value; write key:value")
        value, rest = _word(rest[1:], until=",")
        if rest[:1] not in ("", ","):
            raise ValueError(f"{key!r} has text after its quoted value")
        found.append((key, value))
        rest = rest[1:]
    return tuple(found)


def _word(text: str, *, until: str) -> tuple[str, str]:
    """The first word of ``text``, unescaped, and the rest of ``text``."""
    quoted = text.startswith('"')
    end = '"' if quoted else until
    escaped = quoted or until == ","  # a key without quotes has no escapes
    word, position = "", int(quoted)
    while position < len(text) and text[position] != end:
        if escaped and text[position] == "\\":
            word += _escape(text[position + 1 : position + 2])
            position += 1
        else:
            word += text[position]
        position += 1
    if quoted and position >= len(text):
        raise ValueError("a quote is not closed")
    return word, text[position + int(quoted) :]


def _escape(character: str) -> str:
    if character not in _ESCAPES:
        raise ValueError(f'\\{character} is no escape; use \\n, \\t, \\", \\, or \\\\')
    return _ESCAPES[character]
