"""A controller that writes down what operators ask it, behind the real server."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64encode
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gitsync.errors import OrderRefused, UnknownSource
from gitsync.rules.orders import ORDERS, Given, Orders
from tests.unit.serving import OPERATOR, Served, serve

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "a" * 40, "b" * 40
RUN = {
    "dag_id": "etl", "run_id": "manual__1", "state": "running", "since": "2026-01-01T00:00:00+00:00", "revision": OLD,
    "reason": "task instance: 1 running", "frozen": False, "file": "etl.py", "backfill": False, "frozen_for": 0.0,
}  # fmt: skip
MEMBERS: list[dict[str, Any]] = [
    {
        "name": "worker-0",
        "current": OLD,
        "staged": True,
        "silent": False,
        "error": None,
        "fenced": False,
        "condition": "candidate staged",
    },
    {
        "name": "worker-1",
        "current": None,
        "staged": False,
        "silent": True,
        "error": None,
        "fenced": False,
        "condition": "silent",
    },
]


def source(**changes: Any) -> dict[str, Any]:
    """A source's status: a candidate that waits for a run."""
    return {
        "name": "dags", "repo": "https://git.example.org/team/dags.git", "ref": "main",
        "fetched": {"revision": NEW, "at": "2026-01-01T00:00:00+00:00"},
        "candidate": NEW, "touches": "2 DAG files", "refused": None,
        "published": {"revision": OLD, "epoch": 3, "previous": None, "phase": "published", "at": None},
        "orders": asdict(Orders()), "in_force": [], "restarts": {"worker": "plugins/x.py changed"},
        "decision": {"action": "defer", "reason": "1 blocking run: etl manual__1 (task instance: 1 running)"},
        "deferred_since": "2026-01-01T00:00:00+00:00", "deferred_seconds": 5.0,
        "blocking_runs": [RUN], "ignored_runs": [], "members": MEMBERS,
        "deferrals": [], "last_hold_seconds": None, "last_error": None,
    } | changes  # fmt: skip


EXPLANATION = {
    "revision": NEW, "published": OLD,
    "touches": {"everything": False, "files": ["etl.py"], "removed": ["old.py"], "why": "2 DAG files"},
    "ways": {"etl.py": "dags/etl.py:4 lists dags/sql/a.sql"},
    "narrowings": [{"pattern": "/dags/sql/**", "spares": 1, "places": ["dags/etl.py:4"]}],
    "restarts": {}, "decision": {"action": "defer", "reason": "1 blocking run"},
    "blocking_runs": [RUN], "ignored_runs": [],
}  # fmt: skip


@dataclass
class Controller:
    """Writes down what it is asked."""

    served: Served | None = None
    sources: list[dict[str, Any]] = field(default_factory=lambda: [source()])
    orders: list[tuple[str, str, str | None, str]] = field(default_factory=list)
    looked: list[str | None] = field(default_factory=list)
    refusal: Exception | None = None
    trouble: str | None = None

    def status(self) -> dict[str, Any]:
        return {"controller": "gitsync-0", "leading": True, "sources": self.sources, "last_error": self.trouble}

    def look(self, name: str | None) -> None:
        self._known(name or "dags")
        self.looked.append(name)

    def order(self, name: str, verb: str, argument: str | None, who: str) -> dict[str, Any]:
        self._known(name)
        if self.refusal is not None:
            raise self.refusal
        self.orders.append((name, verb, argument, who))
        given = Given(who=who, argument=argument, candidate=argument or NEW)
        return source(in_force=list(ORDERS[verb].change(Orders(), given).in_force()))

    def explain(self, name: str, revision: str) -> dict[str, Any]:
        self._known(name)
        if not NEW.startswith(revision):
            raise OrderRefused(f"{revision!r} is not one commit that was fetched")
        return EXPLANATION

    def touched(self, name: str, revision: str, since: str) -> list[str] | None:
        self._known(name)
        return ["etl.py"] if (revision, since) == (NEW, OLD) else None

    def _known(self, name: str) -> None:
        if name != "dags":
            raise UnknownSource(f"no source is called {name!r}; there are: dags")

    def ask(self, method: str, path: str, headers: dict[str, str] = OPERATOR, said: object = None) -> tuple[int, Any]:
        assert self.served is not None
        body = said if isinstance(said, bytes) else None if said is None else json.dumps(said).encode()
        answer = self.served.ask(method, path, headers, body)
        return answer.status, json.loads(answer.text) if answer.text.startswith("{") else answer.text

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert self.served is not None
        where = ["--url", self.served.url, "--token-file", str(self.token_file)]
        command = [sys.executable, "-m", "gitsync", arguments[0], *where, *arguments[1:]]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    token_file: Path | None = None


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    controller = Controller(token_file=tmp_path / "operator")
    controller.served = serve(
        tmp_path, status=controller.status, look=controller.look, order=controller.order,
        explain=controller.explain, touched=controller.touched,
    )  # fmt: skip
    return controller


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"ana:{password}".encode()).decode()}
