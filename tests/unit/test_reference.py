"""The generated pages are up to date."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gitsync import reasons
from gitsync.notify.notice import Kind, Notice
from hack.reference_pages import CHECKOUT, pages
from hack.reference_pages.checkout import components, make
from hack.reference_pages.program import metrics, notices
from hack.reference_pages.settings import configuration

REFERENCE = Path("docs/reference.md")
TABLES = ("remote.py", "signatures.py")
"""They have a table each: words of a program, the reason, a message."""
REASON = re.compile(r"[A-Z]+[a-z]+(?:[A-Z][A-Za-z]*)*")


@pytest.mark.parametrize("page", [REFERENCE, Path("docs/from-helm.md"), Path("docs/versions.md")], ids=str)
def test_the_page_is_current(page: Path) -> None:
    assert (CHECKOUT / page).read_text() == pages()[page], "run hack/reference"


def test_every_setting_has_a_type_and_every_part_a_table() -> None:
    text = "\n".join(configuration())
    for part in ("sources.policy", "sources.gate", "sources.windows", "sources.notify", "lock", "fleet", "database"):
        assert f"### {part}\n" in text
    assert "| `period` | number | `60` | Seconds between looks" in text


def test_every_setting_is_described() -> None:
    rows = [row for row in configuration() if row.startswith("| ")]
    assert len(rows) > 100
    assert not [row for row in rows if len(re.split(r"(?<!\\)\|", row)) != 6 or re.search(r"\|\s*\|$", row)]


def test_types_and_defaults_are_a_readers_words_not_pythons() -> None:
    text = pages()[REFERENCE]
    for word in (
        "Optional[",
        "Union[",
        "Annotated",
        "typing.",
        "ForwardRef",
        "<Kind.",
        "('",
        "None |",
        "| None",
        "dict[",
    ):
        assert word not in text, word


def test_every_target_and_every_component_has_a_sentence() -> None:
    rows = [row for row in (*make(), *components()) if row.startswith("| ")]
    assert any("`make up`" in row for row in rows)
    assert not [row for row in rows if row.endswith(("|  |", "| |")) and row != "| target | |" and "default" not in row]


def test_every_kind_of_notice_and_every_key_of_its_document_is_described() -> None:
    text = "\n".join(notices())
    for word in (*Kind, *Notice(kind=Kind.PUBLISHED, source="dags").as_json()):
        assert re.search(rf"(?m)^\| `{word}` \| [A-Z]", text), word


def test_every_metric_that_an_alert_or_a_panel_uses_is_described() -> None:
    described = set(re.findall(r"(?m)^\| `(gitsync_\w+)`", "\n".join(metrics())))
    files = [path for path in (CHECKOUT / "base/components/metrics").iterdir() if path.is_file()]
    used = {name for path in files for name in re.findall(r"gitsync_\w+", path.read_text())}
    assert len(used) > 5
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in used} <= described


def raised() -> set[str]:
    """The words that gitsync makes an Event of or raises: first arguments, and the columns of tables of failures."""
    found = set()
    for path in (CHECKOUT / "gitsync").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
                "Refused",
                "RemoteError",
                "_event",
            ):
                found |= words(node.args[:1])
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.IfExp):
                found |= words([node.value.body, node.value.orelse])
            elif path.name in TABLES and isinstance(node, ast.Tuple) and len(node.elts) == 3:
                found |= words(node.elts[1:2])
    return found


def words(nodes: list[ast.expr]) -> set[str]:
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if REASON.fullmatch(text)}


def test_every_reason_is_described_once_and_is_one() -> None:
    groups = (reasons.HAPPENED, reasons.REFUSED, reasons.FAILED, reasons.NOT_EVENTS)
    described = [word for group in groups for word in group]
    assert len(described) == len(set(described))
    assert set(described) == raised()
