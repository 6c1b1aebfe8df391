"""Serves the controller's HTTP side in this process, and sends requests to it."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitsync.controller.fleet import Fleet
from gitsync.server.app import Server
from gitsync.server.surface import Surface, Tokens
from tests.ports import free_port
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

OPERATOR = {"Authorization": "Bearer operator-token"}
MEMBER = {"Authorization": "Bearer member-token"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Served:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            chunked = body is not None and not isinstance(body, bytes)
            connection.request(method, path, body, dict(headers or {}), encode_chunked=chunked)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()

    def listens(self) -> bool:
        try:
            return self.ask("GET", "/livez").status in (200, 503)
        except OSError:
            return False


def serve(directory: Path, **surface: Any) -> Served:
    """A server for the source ``dags``, which follows ``main``; ``surface`` replaces parts of what it sees."""
    (directory / "member").write_text("member-token\n")
    (directory / "operator").write_text("operator-token\n")
    parts: dict[str, Any] = {
        "fleets": {"dags": Fleet(silent_after=60)},
        "mirrors": {},
        "refs": {"dags": "main"},
        "status": lambda: {"sources": [], "last_error": None},
        "look": lambda _source: None,
        "order": lambda *_: {},
        "explain": lambda *_: {},
        "touched": lambda *_: None,
        "recall": lambda *_: False,
        "alive": lambda: True,
        "leading": lambda: True,
        "leader": lambda: None,
    }
    served = Served(free_port())
    tokens = Tokens(member=directory / "member", operator=directory / "operator")
    Server(Surface(**parts | surface), tokens, port=served.port).start()
    eventually(served.listens, "the server listens")
    return served
