"""On each page, the first use of a glossary word is a link to the glossary."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import pytest
from markdown_it import MarkdownIt

from hack.reference_pages import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GLOSSARY = CHECKOUT / "docs/architecture.md"
GENERATED = {"reference.md"}
PAGES = sorted({CHECKOUT / "README.md", *CHECKOUT.glob("docs/*.md")} - {GLOSSARY})

TERMS = {
    "revision": r"revisions?",
    "source": r"(?<!open )(?<!Airflow's )(?<!in )sources?(?!-)",
    "candidate": r"candidates?",
    "gate": r"gates?",
    "touched": r"(?<!be )touch(?:es|ed)?",
    "member": r"members?(?! token)",
    "staged": r"stag(?:e|es|ed|ing)",
    "blocking": r"blocking(?= runs?\b)",
    "frozen": r"frozen(?! until)",
    "defer": r"(?<!tasks )defer(?:s|red|ral|rals)?(?! tasks?)",
    "window": r"windows?",
    "order": r"(?<!this )(?<!in )(?<!which )orders?(?! in which| of | themselves)",
    "pin": r"pins?",
    "hold": r"(?<=the )hold(?!s)",
    "record": r"(?<=the )record(?!ed)",
    "epoch": r"epochs?",
    "flip": r"flip(?:s|ped)?",
    "settled": r"(?:un)?settled",
    "barrier": r"barriers?",
    "fenced": r"fenced",
}
"""How each word of the glossary looks where it has the glossary's meaning."""


class Segment(NamedTuple):
    text: str
    link: str


def test_the_glossary_has_the_words_that_are_looked_for() -> None:
    glossary = GLOSSARY.read_text().partition("\n## Glossary\n")[2]
    assert re.findall(r"(?m)^### (\w+)$", glossary) == [*TERMS]


def prose(page: Path) -> list[Segment]:
    """A page's text in reading order, without headings and code, each piece with the link that it is in."""
    found, heading, link = [], False, ""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        heading = token.type == "heading_open" or (heading and token.type != "heading_close")
        for child in () if heading else token.children or ():
            if child.type == "link_open":
                link = str(child.attrs["href"])
            elif child.type == "link_close":
                link = ""
            elif child.type in ("text", "softbreak", "code_inline"):
                found.append(Segment({"text": child.content}.get(child.type, " "), link))
        found.append(Segment("\n", ""))
    return found


def first_uses(page: Path) -> Iterator[tuple[str, str, str]]:
    """Term, the words around its first use on a page, and the link that this use is in."""
    segments = prose(page)
    text = "".join(segment.text for segment in segments)
    ends = [*accumulate(len(segment.text) for segment in segments)]
    for term, pattern in TERMS.items():
        if found := re.search(rf"(?i)\b(?:{pattern})\b", text):
            at = next(number for number, end in enumerate(ends) if found.start() < end)
            yield term, text[max(0, found.start() - 40) : found.end() + 20].strip(), segments[at].link


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in GENERATED], ids=lambda page: page.name)
def test_the_first_use_of_a_glossarys_word_links_to_it(page: Path) -> None:
    missing = [
        f"{term}: {near}" for term, near, link in first_uses(page) if not link.endswith(f"architecture.md#{term}")
    ]
    assert not missing, "\n".join(missing)


def test_a_first_use_without_a_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# The candidate\n\n`candidate` The [candidate](architecture.md#candidate) has an\nepoch. Another candidate.\n"
    )
    assert {term: link for term, _near, link in first_uses(page)} == {
        "candidate": "architecture.md#candidate",
        "epoch": "",
    }
