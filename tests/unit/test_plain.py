"""Text that authors of commits, DAGs and runs have written: a screen, a page and a log only show it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gitsync.airflow.gate import check
from gitsync.airflow.gate.report import FileReport, GateReport
from gitsync.airflow.gate.verdict import Problem
from gitsync.airflow.plain import plain, printable
from gitsync.controller.announce import Announcer
from gitsync.errors import OrderRefused
from gitsync.log import JsonFormatter
from gitsync.operator import text
from gitsync.server import page
from tests.unit.operating import EXPLANATION, NEW, Controller, basic, controller, source

if TYPE_CHECKING:
    from gitsync.notify.notice import Notice

__all__ = ["controller"]

EVIL = "\x1b]0;title\x07\x1b[2J\r\nrefused: no\u202e\u2028\x9b31m\udcff"
ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")


def acts(text: str) -> bool:
    return any(unicodedata.category(each) in ACTING for each in text if each != "\n")


def test_no_character_acts() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = printable(every)
    assert not acts(shown)
    assert "\n" not in shown
    shown.encode()


@pytest.mark.parametrize("said", ["", "etl.py", "größer, 大きい 🚀 é", "a\xa0b"])
def test_text_of_people_stays(said: str) -> None:
    assert printable(said) == said


def test_what_acts_is_written_out() -> None:
    assert printable("a\x1b[31m\n\u202e\udcff") == r"a\x1b[31m\n\u202e\udcff"


def spoiled(document: Any) -> Any:
    """``document`` with the evil text at the end of each text, except where a fixed word is expected."""
    if isinstance(document, str):
        return document + EVIL
    if isinstance(document, list | tuple):
        return [spoiled(each) for each in document]
    if isinstance(document, dict):
        return {key: spoiled(value) for key, value in document.items()}
    return document


@pytest.fixture
def spoiled_controller(controller: Controller) -> Controller:
    trouble = {"reason": "GateRefused", "message": "etl.py: ValueError", "at": "now", "revision": NEW}
    controller.sources = [
        {
            **spoiled(
                source(refused=trouble, last_error=trouble, in_force=["rolled back"], restarts={"w" + EVIL: "x"})
            ),
            "name": "dags",
        }
    ]
    controller.trouble = EVIL
    return controller


def test_a_terminal_only_shows_the_status(spoiled_controller: Controller) -> None:
    result = spoiled_controller.command("status")
    assert (result.returncode, result.stderr) == (0, "")
    assert r"\x1b]0;title" in result.stdout
    assert not acts(result.stdout)
    assert not [line for line in result.stdout.splitlines() if line.startswith("refused:")]


def test_a_terminal_only_shows_an_answer_to_an_order() -> None:
    shown = text.order_as_text(spoiled({**source(), "in_force": ["rolled back"]}))
    assert r"\x1b]0;title" in shown
    assert not acts(shown)
    assert len(shown.splitlines()) == 2


def test_a_terminal_only_shows_a_refusal(controller: Controller) -> None:
    controller.refusal = OrderRefused(f"revision: {EVIL}")
    result = controller.command("publish")
    assert result.returncode == 1
    assert r"\x1b]0;title" in result.stderr
    assert not acts(result.stderr)
    assert len(result.stderr.splitlines()) == 1


def test_a_terminal_only_shows_an_explanation() -> None:
    shown = text.explanation_as_text(spoiled(EXPLANATION))
    assert r"\x1b]0;title" in shown
    assert not acts(shown)


def test_the_page_only_shows_it(spoiled_controller: Controller) -> None:
    status, shown = spoiled_controller.ask("GET", "/", basic("operator-token"))
    assert status == 200
    assert r"\x1b]0;title" in shown
    assert not acts(shown)
    assert page.rendered(plain({"sources": [source()], "last_error": None}))


@dataclass
class Told:
    events: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def event(self, _reason: str, message: str, *, warning: bool = False) -> None:
        self.events.append(f"{message}{warning}")


def test_events_and_notices_are_lines_to_read() -> None:
    told = Told()
    announcer = Announcer("dags", told.event, told.notices.append)
    announcer.refused(NEW, "GateRefused", EVIL)
    announcer.failed("FetchFailed", EVIL)
    announcer.rewritten(EVIL)
    announcer.ordered("suspend", EVIL, EVIL)
    assert len(told.events) == 4
    assert not [message for message in told.events if acts(message) or "\n" in message]
    assert not [notice for notice in told.notices if acts(notice.message)]


@pytest.mark.parametrize("github", [False, True], ids=["terminal", "github"])
def test_the_check_only_shows_it(*, github: bool) -> None:
    """A line of a DAG's exception is no command for the CI, which reads commands at the beginning of lines."""
    problem = Problem(f"dags/a,b:{EVIL}.py", f"ValueError: x\n::add-mask::y\n{EVIL}", 1)
    shown = check._annotation(problem) if github else check._text(problem)
    assert not acts(shown)
    assert len(shown.splitlines()) == 1


def test_the_checks_table_only_shows_it() -> None:
    file = FileReport(error=f"x\n::add-mask::y{EVIL}")
    shown = check._table(GateReport(files={f"a{EVIL}.py": file}))
    assert not acts(shown)
    assert not [line for line in shown.splitlines() if line.startswith("::")]


class Broken:
    def __str__(self) -> str:
        raise ValueError("no text")


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def around() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize(
    ("message", "arguments", "more"),
    [
        pytest.param("published", (), {"revision": EVIL}, id="evil"),
        pytest.param("x %s %s", ("too few",), {}, id="arguments"),
        pytest.param("x", (), {"value": Broken()}, id="no-text"),
        pytest.param("x", (), {"value": deep()}, id="deep"),
        pytest.param("x", (), {"value": around()}, id="circle"),
        pytest.param("x", (), {"value": {("a", "b"): 1}}, id="key"),
        pytest.param("x", (), {"value": b"\xff"}, id="bytes"),
    ],
)
def test_every_log_line_is_one_json_object(message: str, arguments: tuple[Any, ...], more: dict[str, Any]) -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, message, arguments, None)
    vars(record).update(more)
    line = JsonFormatter().format(record)
    assert isinstance(json.loads(line), dict)
    assert line.isascii()
    assert len(line.splitlines()) == 1


ENDINGS = {
    "uncaught": "raise ValueError('a\\nb')",
    "warning": "import warnings; warnings.warn('old', stacklevel=1)",
    "unraisable": "class X:\n    def __del__(self): raise ValueError('x')\nX()",
    "deep": "def f(): f()\nf()",
}


@pytest.mark.parametrize("code", ENDINGS.values(), ids=ENDINGS)
def test_what_python_itself_would_print_is_json_too(code: str) -> None:
    script = f"from gitsync.log import configure\nconfigure()\n{code}"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False).stderr
    lines = [json.loads(line) for line in said.splitlines()]
    assert len(lines) == 1
