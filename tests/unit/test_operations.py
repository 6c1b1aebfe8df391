"""What operators ask and order, over HTTP, on the command line and in a browser."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gitsync.errors import DatabaseError, OrderRefused, UnknownSource
from gitsync.server import page
from tests.unit.serving import MEMBER, OPERATOR, Served, serve
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "a" * 40, "b" * 40
RUN = {
    "dag_id": "etl", "run_id": "manual__1", "state": "running", "since": "2026-01-01T00:00:00+00:00", "revision": OLD,
    "reason": "task instance: 1 running", "frozen": False, "file": "etl.py", "backfill": False, "frozen_for": 0.0,
}  # fmt: skip
MEMBERS: list[dict[str, Any]] = [
    {"name": "worker-0", "current": OLD, "staged": True, "silent": False, "error": None, "fenced": False},
    {"name": "worker-1", "current": None, "staged": False, "silent": True, "error": None, "fenced": False},
]
NO_ORDERS = {"suspended": None, "publish": None, "publish_by": None, "rollback": None, "rollback_by": None}


def source(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """A source's status: a candidate that waits for a run."""
    return {
        "name": "dags", "repo": "https://git.example.org/team/dags.git", "ref": "main",
        "fetched": {"revision": NEW, "at": "2026-01-01T00:00:00+00:00"},
        "candidate": NEW, "touches": "2 DAG files", "refused": None,
        "published": {"revision": OLD, "epoch": 3, "previous": None, "phase": "published", "at": None},
        "orders": NO_ORDERS, "restarts": {"worker": "plugins/x.py changed"},
        "decision": {"action": "defer", "reason": "1 blocking run: etl manual__1 (task instance: 1 running)"},
        "deferred_since": "2026-01-01T00:00:00+00:00", "deferred_seconds": 5.0,
        "blocking_runs": [RUN], "ignored_runs": [], "members": MEMBERS,
        "last_hold_seconds": None, "last_error": None,
    } | changes  # fmt: skip


EXPLANATION = {
    "revision": NEW, "published": OLD,
    "touches": {"everything": False, "files": ["etl.py"], "removed": ["old.py"], "why": "2 DAG files"},
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
        suspended = f"suspended by {who}: {argument}" if verb == "suspend" else None
        return source(orders={**NO_ORDERS, "suspended": suspended})

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


@pytest.mark.parametrize(
    ("verb", "said", "ordered"),
    [
        pytest.param("suspend", {"reason": "audit", "who": "ana"}, ("audit", "ana"), id="suspend"),
        pytest.param("suspend", {}, (None, "an operator"), id="suspend-without-reason"),
        pytest.param("resume", None, (None, "an operator"), id="resume-without-body"),
        pytest.param("publish", {"who": "ana"}, (None, "ana"), id="publish"),
        pytest.param("publish", {"revision": NEW}, (NEW, "an operator"), id="publish-a-revision"),
        pytest.param("rollback", {"revision": OLD[:8]}, (OLD[:8], "an operator"), id="rollback"),
    ],
)
def test_an_order_reaches_the_controller(
    controller: Controller, verb: str, said: object, ordered: tuple[str | None, str]
) -> None:
    status, document = controller.ask("POST", f"/v1/sources/dags/{verb}", said=said)
    assert (status, document["name"]) == (200, "dags")
    assert controller.orders == [("dags", verb, *ordered)]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"{", id="no-json"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param([], id="list"),
        pytest.param({"revison": NEW}, id="misspelt"),
        pytest.param({"reason": "x"}, id="argument-of-another-verb"),
        pytest.param({"revision": 1}, id="number"),
        pytest.param({"who": "x\ny"}, id="two-lines"),
        pytest.param({"who": "\x1b[31m"}, id="escape-sequence"),
        pytest.param({"who": "x" * 501}, id="long"),
    ],
)
def test_an_order_that_is_not_understood_is_none(controller: Controller, said: object) -> None:
    status, document = controller.ask("POST", "/v1/sources/dags/publish", said=said)
    assert status == 400
    assert "the body of publish is JSON" in document["error"]
    assert controller.orders == []


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        pytest.param(OrderRefused("there is no candidate"), 409, id="refused"),
        pytest.param(DatabaseError("cannot be asked"), 409, id="impossible-now"),
        pytest.param(UnknownSource("no source is called 'x'"), 404, id="unknown"),
    ],
)
def test_what_the_controller_refuses_is_said(controller: Controller, refusal: Exception, status: int) -> None:
    controller.refusal = refusal
    assert controller.ask("POST", "/v1/sources/dags/publish") == (status, {"error": str(refusal)})


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/sources/x/suspend"), ("POST", "/v1/sources/x/look"), ("GET", "/v1/sources/x/explain/abcd")],
)
def test_a_source_that_is_not_there_is_named(controller: Controller, method: str, path: str) -> None:
    status, document = controller.ask(method, path)
    assert (status, document["error"]) == (404, "no source is called 'x'; there are: dags")


def test_one_source_can_be_looked_at(controller: Controller) -> None:
    assert controller.ask("POST", "/v1/sources/dags/look")[0] == 202
    assert controller.ask("POST", "/v1/look")[0] == 202
    assert controller.looked == ["dags", None]


def test_an_order_that_takes_long_holds_nothing_else_up(controller: Controller, tmp_path: Path) -> None:
    """Orders wait for the main loop, and members must be answered meanwhile."""
    finish, began = threading.Event(), threading.Event()

    def order(*_: object) -> dict[str, Any]:
        began.set()
        finish.wait(10 * PATIENCE)
        return source()

    served = serve(tmp_path, order=order, status=controller.status)
    asking = threading.Thread(target=served.ask, args=("POST", "/v1/sources/dags/resume", OPERATOR))
    asking.start()
    try:
        assert began.wait(PATIENCE)
        assert served.ask("GET", "/v1/status", OPERATOR).status == 200
    finally:
        finish.set()
        asking.join()


def test_members_are_told_what_to_parse_again(controller: Controller) -> None:
    path = f"/v1/sources/dags/revisions/{NEW}/touched"
    assert controller.ask("GET", f"{path}?since={OLD}", MEMBER) == (200, {"touched": ["etl.py"]})
    assert controller.ask("GET", f"{path}?since={NEW}", MEMBER) == (200, {"touched": None})
    for wrong in (path, f"{path}?since=main", f"/v1/sources/dags/revisions/--all/touched?since={OLD}"):
        assert controller.ask("GET", wrong, MEMBER)[0] == 400
    assert controller.ask("GET", f"/v1/sources/x/revisions/{NEW}/touched?since={OLD}", MEMBER)[0] == 404


OPERATORS = [
    ("GET", "/v1/status"), ("POST", "/v1/look"), ("POST", "/v1/sources/dags/look"),
    ("POST", "/v1/sources/dags/suspend"), ("POST", "/v1/sources/dags/resume"), ("POST", "/v1/sources/dags/publish"),
    ("POST", "/v1/sources/dags/rollback"), ("GET", "/v1/sources/dags/explain/abcd"),
]  # fmt: skip
MEMBERS_ONLY = [
    ("POST", "/v1/members/dags/worker-0"), ("GET", "/git/dags.git/info/refs"),
    ("POST", "/git/dags.git/git-upload-pack"), ("GET", f"/v1/sources/dags/revisions/{NEW}/touched?since={OLD}"),
]  # fmt: skip


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"ana:{password}".encode()).decode()}


@pytest.mark.parametrize(("method", "path"), [*OPERATORS, *MEMBERS_ONLY, ("GET", "/")])
def test_each_token_opens_its_own_doors_only(controller: Controller, method: str, path: str) -> None:
    other = OPERATOR if (method, path) in MEMBERS_ONLY else MEMBER
    wrong = [{}, other, {"Authorization": "Bearer"}, {"Authorization": "Bearer operator-token2"}, basic("member-token")]
    for headers in (*wrong, {"Authorization": "Basic \xff"}, {"Authorization": "Bearer \xff"}):
        assert controller.ask(method, path, headers)[0] == 401
    assert (controller.orders, controller.looked) == ([], [])


@pytest.mark.parametrize(("method", "path"), OPERATORS)
def test_a_password_that_a_browser_sends_by_itself_orders_nothing(
    controller: Controller, method: str, path: str
) -> None:
    """Another site's form could make a browser that knows the password post it."""
    assert controller.ask(method, path, basic("operator-token"))[0] == 401
    assert (controller.orders, controller.looked) == ([], [])


@pytest.mark.parametrize("token", ["", "\n"])
def test_an_empty_token_file_opens_nothing(controller: Controller, tmp_path: Path, token: str) -> None:
    (tmp_path / "operator").write_text(token)
    for headers in (OPERATOR, {"Authorization": "Bearer "}, basic("")):
        assert controller.ask("GET", "/", headers)[0] == 401


def test_a_token_is_replaced_without_a_restart(controller: Controller, tmp_path: Path) -> None:
    (tmp_path / "operator").write_text("the next")
    assert controller.ask("GET", "/v1/status")[0] == 401
    assert controller.ask("GET", "/v1/status", {"Authorization": "Bearer the next"})[0] == 200


# -- the page --------------------------------------------------------------------------------------------------------


def test_a_browser_asks_for_the_token_and_shows_the_page(controller: Controller) -> None:
    assert controller.served is not None
    asked = controller.served.ask("GET", "/")
    assert (asked.status, asked.headers["WWW-Authenticate"].split()[0]) == (401, "Basic")
    answer = controller.served.ask("GET", "/", basic("operator-token"))
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert f"{NEW[:12]} is not live yet: 1 blocking run: etl manual__1" in answer.text
    for shown in ("manual__1", "worker-1", "silent", "plugins/x.py changed", "epoch 3"):
        assert shown in answer.text
    assert "operator-token" not in answer.text


def test_a_standby_shows_the_leaders_page(controller: Controller, tmp_path: Path) -> None:
    assert controller.served is not None
    url = controller.served.url
    standby = serve(tmp_path, leading=lambda: False, leader=lambda: url)
    assert "WWW-Authenticate" in standby.ask("GET", "/").headers
    assert NEW[:12] in standby.ask("GET", "/", basic("operator-token")).text


TROUBLE = {"reason": "RefNotFound", "message": "there is no ref 'main'", "at": "2026-01-01T00:00:00+00:00"}
ROLLED_BACK = {**NO_ORDERS, "rollback": OLD, "rollback_by": "ana"}
NOTHING = {"revision": None, "epoch": 0, "previous": None, "phase": "published", "at": None}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({}, f"{NEW[:12]} is not live yet: 1 blocking run", id="deferred"),
        pytest.param({"candidate": None}, f"{OLD[:12]} is live, and nothing newer", id="live"),
        pytest.param({"refused": {**TROUBLE, "revision": NEW}}, f"{NEW[:12]} is refused (RefNotFound)", id="refused"),
        pytest.param({"last_error": TROUBLE}, "The remote cannot be read", id="remote-down"),
        pytest.param({"candidate": None, "orders": ROLLED_BACK}, "ana has gone back to it", id="rolled-back"),
        pytest.param({"candidate": None, "published": NOTHING}, "Nothing has been published", id="empty"),
    ],
)
def test_the_page_says_why_a_commit_is_not_live(changes: dict[str, Any], why: str) -> None:
    assert why in page.why(source(**changes))
    assert page.rendered({"sources": [source(**changes)], "last_error": None})


def test_nothing_in_the_page_is_markup(controller: Controller) -> None:
    evil = "<script>alert('x')</script>\" onload=\"x"
    run = dict.fromkeys(RUN, evil)
    member = {**MEMBERS[0], "name": evil, "error": evil, "current": evil}
    changes = {"name": evil, "repo": evil, "ref": evil, "touches": evil, "restarts": {evil: evil}}
    controller.sources = [
        source(**changes, blocking_runs=[run], members=[member], decision={"action": "defer", "reason": evil})
    ]
    controller.trouble = evil
    status, text = controller.ask("GET", "/", basic("operator-token"))
    assert status == 200
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert '" onload' not in text


# -- health ----------------------------------------------------------------------------------------------------------


def test_a_controller_is_ready_when_it_leads_or_knows_who_does(tmp_path: Path) -> None:
    leaders: list[str] = []
    leads: list[bool] = []
    served = serve(tmp_path, leading=lambda: bool(leads), leader=lambda: leaders[0] if leaders else None)
    answer = served.ask("GET", "/readyz")
    assert (answer.status, answer.text) == (503, "no controller leads\n")
    assert served.ask("GET", "/livez").status == 200
    leaders.append("http://127.0.0.1:1")
    assert served.ask("GET", "/readyz").text == "standing by\n"
    leads.append(True)
    assert served.ask("GET", "/readyz").text == "leading\n"
    assert served.ask("HEAD", "/readyz").status == 200


# -- the command line ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "ordered"),
    [
        pytest.param(["suspend", "audit, 1 h", "--who=ana"], ("suspend", "audit, 1 h", "ana"), id="suspend"),
        pytest.param(["resume", "--who=ana", "--source=dags"], ("resume", None, "ana"), id="resume"),
        pytest.param(["publish", NEW[:7], "--who=ana"], ("publish", NEW[:7], "ana"), id="publish"),
        pytest.param(["rollback", OLD[:7], "--who=ana"], ("rollback", OLD[:7], "ana"), id="rollback"),
    ],
)
def test_orders_are_given_on_the_command_line(
    controller: Controller, arguments: list[str], ordered: tuple[str, str | None, str]
) -> None:
    result = controller.command(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("dags: defer: 1 blocking run")
    assert controller.orders == [("dags", *ordered)]


def test_a_refused_order_is_one_line_and_fails(controller: Controller) -> None:
    controller.refusal = OrderRefused("there is no candidate to publish")
    result = controller.command("publish")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "gitsync: there is no candidate to publish\n"


def test_the_source_must_be_said_when_there_are_several(controller: Controller) -> None:
    controller.sources = [source(), source(name="ml")]
    result = controller.command("suspend")
    assert (result.returncode, result.stderr) == (1, "gitsync: say which --source is meant: dags, ml\n")
    assert controller.orders == []


def test_explain_on_a_terminal(controller: Controller) -> None:
    result = controller.command("explain", NEW[:7])
    assert result.returncode == 0
    for shown in ("etl.py", "old.py", "2 DAG files", "defer: 1 blocking run", "manual__1"):
        assert shown in result.stdout
    assert json.loads(controller.command("explain", NEW[:7], "--json").stdout) == EXPLANATION
    assert "is not one commit" in controller.command("explain", "beef").stderr


def test_status_and_look_on_a_terminal(controller: Controller) -> None:
    assert "manual__1" in controller.command("status").stdout
    assert json.loads(controller.command("status", "--json").stdout) == controller.status()
    assert controller.command("look", "--source=dags").stdout == "looking\n"
    assert controller.command("look", "--source=x").stderr == "gitsync: no source is called 'x'; there are: dags\n"
    assert controller.looked == ["dags"]
