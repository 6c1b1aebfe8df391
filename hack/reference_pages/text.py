"""Makes Markdown, and reads the docstrings for it."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def table(*heads: str) -> str:
    """The first two lines of a table. The last column, for descriptions, has no head."""
    columns = (*heads, "")
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}".replace("|  |", "| |")


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def code(text: str) -> str:
    """Text for a cell as code; an empty text stays empty."""
    return f"`{text.replace('|', chr(92) + '|')}`" if text else ""


def cell(text: str) -> str:
    """Text for one cell of a table."""
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())


def codes(texts: Iterable[str]) -> str:
    return ", ".join(map(code, texts))


def sentence(text: str) -> str:
    """A text with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}." if text else ""


def descriptions(cls: type) -> dict[str, str]:
    """The docstrings of the fields or members of a class of gitsync and of its bases, by name."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if each.__module__.startswith("gitsync"):
            found.update(_of_body(each))
    return found


def _of_body(cls: type) -> Iterator[tuple[str, str]]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign | ast.Assign) and isinstance(text, ast.Expr):
            target = field.target if isinstance(field, ast.AnnAssign) else field.targets[0]
            yield ast.unparse(target), cell(str(ast.literal_eval(text.value)))


def about(cls: type) -> str:
    """The first paragraph of a class's own docstring."""
    own = "" if (cls.__doc__ or "").startswith(f"{cls.__name__}(") else cls.__doc__ or ""
    return cell(own.split("\n\n")[0])
