"""Operators' requests and orders on the command line."""

from __future__ import annotations

import json

import pytest

from gitsync.errors import OrderRefused
from tests.unit.operating import EXPLANATION, NEW, OLD, Controller, controller, source

__all__ = ["controller"]


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
    assert (result.returncode, result.stderr) == (
        1,
        "gitsync: there are several sources, so name one with --source: dags, ml\n",
    )
    assert controller.orders == []


def test_explain_on_a_terminal(controller: Controller) -> None:
    result = controller.command("explain", NEW[:7])
    assert result.returncode == 0
    for shown in ("etl.py", "old.py", "2 DAG files", "defer: 1 blocking run", "manual__1"):
        assert shown in result.stdout
    assert "because        dags/etl.py:4 lists dags/sql/a.sql" in result.stdout
    assert "ignore: ['/dags/sql/**'] in .gitsync.yaml spares 1 of the DAG files, if none reads it" in result.stdout
    assert json.loads(controller.command("explain", NEW[:7], "--json").stdout) == EXPLANATION
    assert "is not one commit" in controller.command("explain", "beef").stderr


def test_status_and_look_on_a_terminal(controller: Controller) -> None:
    assert "manual__1" in controller.command("status").stdout
    assert json.loads(controller.command("status", "--json").stdout) == controller.status()
    assert controller.command("look", "--source=dags").stdout == "looking\n"
    assert controller.command("look", "--source=x").stderr == "gitsync: no source is called 'x'; there are: dags\n"
    assert controller.looked == ["dags"]
