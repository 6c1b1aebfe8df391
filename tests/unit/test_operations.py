"""Operators' requests and orders over HTTP, and which token opens which door."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from gitsync.errors import DatabaseError, OrderRefused, UnknownSource
from tests.unit.operating import NEW, OLD, Controller, basic, controller, source
from tests.unit.serving import MEMBER, OPERATOR, serve
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["controller"]


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
    assert document["error"].startswith(("the body of publish is JSON", "the body is not JSON"))
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
