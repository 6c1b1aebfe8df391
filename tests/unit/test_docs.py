"""What the documentation tells people to type and to read is there."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from gitsync.cli import _parser
from hack.reference_pages import CHECKOUT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from markdown_it.token import Token

PAGES = sorted(
    path.relative_to(CHECKOUT)
    for path in (
        *CHECKOUT.glob("*.md"),
        *CHECKOUT.glob("docs/*.md"),
        *CHECKOUT.glob("base/**/*.md"),
        *CHECKOUT.glob("examples/**/*.md"),
    )
)
STANDALONE = ("once", "run")
"""Commands that read their own arguments."""


def tokens(page: Path) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable("table").parse((CHECKOUT / page).read_text()):
        yield token
        yield from token.children or ()


def commands(page: Path) -> Iterator[str]:
    """Every line of code, as far as its comment."""
    for token in tokens(page):
        if token.type in ("fence", "code_block", "code_inline"):
            for line in token.content.splitlines():
                yield re.split(r"\s{2,}|\s#", line.strip().removeprefix("$ "))[0]


def said(pattern: str) -> list[tuple[Path, str]]:
    """What ``pattern`` finds at the beginning of commands, with the pages."""
    return sorted({(page, found[1]) for page in PAGES for line in commands(page) if (found := re.match(pattern, line))})


def gitsync_commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each of gitsync's commands."""
    (action,) = (action for action in _parser()._actions if action.choices)
    return dict(action.choices)  # type: ignore[arg-type]


@pytest.mark.parametrize(("page", "target"), said(r"(?:\w+=\S* )*make ([a-z][a-z-]+)"), ids=str)
def test_the_target_is_there(page: Path, target: str) -> None:
    assert re.search(rf"^{target}:", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("page", "script"), said(r"((?:hack|requirements)/[a-z-]+)(?= |$)"), ids=str)
def test_the_script_is_there(page: Path, script: str) -> None:
    assert (CHECKOUT / script).exists()


@pytest.mark.parametrize(("page", "module"), said(r"(?:\S*python3?) -m ((?:hack|tests|gitsync)[a-z_.]*)"), ids=str)
def test_the_module_is_there(page: Path, module: str) -> None:
    assert find_spec(module)


@pytest.mark.parametrize(("page", "line"), said(r"(?:\S+ )*?gitsync ([a-z]+(?: .*)?)$"), ids=str)
def test_gitsync_has_the_command_and_its_options(page: Path, line: str) -> None:
    name, *words = line.split()
    known = gitsync_commands()
    assert name in known
    if name not in STANDALONE:
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= known[name]._option_string_actions.keys()


def links() -> list[tuple[Path, str]]:
    found = {(page, str(token.attrs["href"])) for page in PAGES for token in tokens(page) if token.type == "link_open"}
    return sorted((page, link) for page, link in found if "://" not in link)


@pytest.mark.parametrize(("page", "link"), links(), ids=str)
def test_the_link_leads_somewhere(page: Path, link: str) -> None:
    file, _, heading = link.partition("#")
    target = (CHECKOUT / page).parent / file if file else CHECKOUT / page
    assert target.exists()
    if heading:
        assert heading in anchors(target)


def anchors(page: Path) -> set[str]:
    """The names that a page's headings get, as Git hosts make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
