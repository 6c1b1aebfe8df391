"""Log lines: one JSON object each, with the event's name and its fields. They have no secret in them."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_AUTHORITY = re.compile(r"[^/?#]*")
_VALUE = re.compile(r"=[^&;#]*")
_ADDRESS = re.compile(_SCHEME.pattern + r"[^\s'\"]+")


def redacted(url: str) -> str:
    """``url`` without its login and without the values of its query, which may be tokens. SSH keeps the user name.

    A password whose ``/``, ``?`` or ``#`` should have been encoded is left out, too. An address without a scheme
    (``git@host:path``) has no password.
    """
    match = _SCHEME.match(url)
    if match is None:
        return url
    login, host, tail = _parts(url[match.end() :])
    user = f"{login.partition(':')[0]}@" if login and "ssh" in match[0].lower() else ""
    path, mark, query = tail.partition("?")
    return f"{match[0]}{user}{host}{path}{mark}{_VALUE.sub('=…', query)}"


def _parts(rest: str) -> tuple[str, str, str]:
    """The login, the host with its port, and what follows, of an address without its scheme."""
    authority = _AUTHORITY.match(rest)
    host = authority[0] if authority else ""
    port = host.rpartition("]")[2].partition(":")[2]
    # What stands in the port's place is the beginning of a password.
    whole = rest if "@" not in host and port and not port.isdigit() else host
    login, _at, host = whole.rpartition("@")
    rest = rest[len(whole) - len(host) :]
    end = _AUTHORITY.match(rest)
    host = end[0] if end else ""
    return login, host, rest[len(host) :]


def without_logins(text: str) -> str:
    """``text`` with each address in it redacted."""
    return _ADDRESS.sub(lambda match: redacted(match[0]), text)


class JsonFormatter(logging.Formatter):
    """Makes one line of JSON of ``log.info("published", extra={"revision": sha})``."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": _message(record),
        }
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return json.dumps(line, default=str)
        except Exception as error:
            known = {key: line[key] for key in ("time", "level", "event")}
            return json.dumps({**known, "unwritten": type(error).__name__})


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a library's arguments do not fit its text
        return str(record.msg)


def configure(level: str = "INFO") -> None:
    """Make everything that this process logs JSON lines, also warnings and what Python itself would print."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    # aiohttp would log every long poll. The others log failures that gitsync's own errors report, too.
    for noisy in ("aiohttp.access", "urllib3", "leaderelection", "kubernetes"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(__name__).critical("uncaught", exc_info=(kind, error, trace))


def _unraisable(told: sys.UnraisableHookArgs) -> None:
    error = told.exc_value or told.exc_type()
    logging.getLogger(__name__).error("unraisable", extra={"where": repr(told.object)}, exc_info=error)
