"""Log lines are an event's name and fields, one JSON object each, and hold no secret."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redacted(url: str) -> str:
    """``url`` without user name and password; addresses without a scheme (``git@host:path``) hold none."""
    parts = urlsplit(url)
    _userinfo, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host)) if at and parts.scheme != "ssh" else url


class JsonFormatter(logging.Formatter):
    """``log.info("published", extra={"revision": sha})`` becomes one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str = "INFO") -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # aiohttp's access log would repeat every long poll; urllib3 repeats what our errors say.
    for noisy in ("aiohttp.access", "urllib3", "leaderelection", "kubernetes"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
