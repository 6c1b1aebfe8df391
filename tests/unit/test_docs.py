"""Files, commands and outputs that the documentation names exist."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from gitsync.cli import _parser
from hack.operate.verbs import parser
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


@cache
def tokens(page: Path) -> list[Token]:
    found = MarkdownIt("commonmark").enable("table").parse((CHECKOUT / page).read_text())
    return [each for token in found for each in (token, *(token.children or ()))]


def commands(page: Path) -> Iterator[str]:
    """Every line of code, as far as its comment."""
    for token in tokens(page):
        if token.type in ("fence", "code_block", "code_inline"):
            for line in token.content.splitlines():
                yield re.split(r"\s{2,}|\s#", line.strip().removeprefix("$ "))[0]


def said(pattern: str) -> list[tuple[Path, str]]:
    """What ``pattern`` finds at the beginning of commands, with the pages."""
    return sorted({(page, found[1]) for page in PAGES for line in commands(page) if (found := re.match(pattern, line))})


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each of a program's commands."""
    (action,) = (action for action in parser._actions if action.choices)
    return dict(action.choices)  # type: ignore[arg-type] # of sub-commands


def gitsync_commands() -> dict[str, argparse.ArgumentParser]:
    return commands_of(_parser())


def verbs() -> dict[str, argparse.ArgumentParser]:
    return commands_of(parser())


@pytest.mark.parametrize(("page", "target"), said(r"(?:\w+=\S* )*make ([a-z][a-z-]+)"), ids=str)
def test_the_target_is_there(page: Path, target: str) -> None:
    assert re.search(rf"^{target}:", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("page", "script"), said(r"((?:hack|requirements)/[a-z/-]+)(?= |$)"), ids=str)
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


@pytest.mark.parametrize(("page", "line"), said(r"(?:\S+ )*?hack/kube-airflow ([a-z][a-z-]*(?: .*)?)$"), ids=str)
def test_kube_airflow_has_the_verb_and_its_options(page: Path, line: str) -> None:
    name, *words = line.partition(" && ")[0].split()
    known = verbs()
    assert name in known
    assert {word for word in words if word.startswith("--")} <= known[name]._option_string_actions.keys()


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


PATH = re.compile(
    r"(?<![\w./-])((?:base|docker|docs|examples|gitsync|hack|overlays|requirements|tests)/[\w./-]*\w)(?![\w*{}<…-]|/[*<{…])"
)
EXAMPLES = {"overlays/team-a"}
"""What readers have and the checkout has not."""


def paths() -> list[tuple[Path, str]]:
    """Every path of the checkout that a page names, alone or in a command; ``NAME`` in one stands for another word."""
    code = {(page, token.content) for page in PAGES for token in tokens(page) if token.type == "code_inline"}
    named = {(page, path) for page, text in code for path in PATH.findall(text)}
    return sorted((page, path) for page, path in named if path not in EXAMPLES and not re.search("[A-Z]{4}", path))


@pytest.mark.parametrize(("page", "path"), paths(), ids=str)
def test_the_path_is_there(page: Path, path: str) -> None:
    assert (CHECKOUT / path).exists()


def test_readmes_tree_is_that_of_the_checkout() -> None:
    """Each entry is there, and no directory of the first level is missing."""
    block = re.findall(r"## The tree\n```\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)[0]
    shown, above = set(), ""
    for indent, name in re.findall(r"(?m)^( *)(\S+)", block):
        above = above if indent else name
        shown.add(above + name if indent else name)
    assert all((CHECKOUT / path).exists() for path in shown)
    ignored = {line.strip("/") for line in (CHECKOUT / ".gitignore").read_text().splitlines()}
    folders = {path.name for path in CHECKOUT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert {f"{name}/" for name in folders - ignored} <= shown


def test_the_index_has_every_page() -> None:
    linked = {link.partition("#")[0] for page, link in links() if page.as_posix() == "docs/README.md"}
    assert {page.name for page in PAGES if page.parent.as_posix() == "docs"} - {"README.md"} <= linked
