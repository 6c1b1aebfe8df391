"""The page for operators, in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gitsync.rules.orders import Orders
from gitsync.server import page
from tests.unit.operating import MEMBERS, NEW, OLD, RUN, Controller, basic, controller, source
from tests.unit.serving import serve

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["controller"]


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
ROLLED_BACK = list(Orders(rollback=OLD, rollback_by="ana").in_force())
NOTHING = {"revision": None, "epoch": 0, "previous": None, "phase": "published", "at": None}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({}, f"{NEW[:12]} is not live yet: 1 blocking run", id="deferred"),
        pytest.param({"candidate": None}, f"{OLD[:12]} is live, and no newer commit", id="live"),
        pytest.param({"refused": {**TROUBLE, "revision": NEW}}, f"{NEW[:12]} is refused (RefNotFound)", id="refused"),
        pytest.param({"last_error": TROUBLE}, "gitsync cannot check newer commits", id="remote-down"),
        pytest.param(
            {"candidate": None, "in_force": ROLLED_BACK},
            f"is live; rolled back to {OLD[:12]} by ana, until",
            id="rolled-back",
        ),
        pytest.param({"candidate": None, "published": NOTHING}, "Nothing has been published", id="empty"),
    ],
)
def test_the_page_says_why_a_commit_is_not_live(changes: dict[str, Any], why: str) -> None:
    assert why in page.why(source(**changes))
    assert page.rendered({"sources": [source(**changes)], "last_error": None})


def test_nothing_in_the_page_is_markup(controller: Controller) -> None:
    evil = "<script>alert('x')</script>\" onload=\"x"
    run = dict.fromkeys(RUN, evil)
    member = {**MEMBERS[0], "name": evil, "condition": evil, "current": evil}
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
