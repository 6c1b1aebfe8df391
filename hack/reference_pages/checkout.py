"""The parts of the reference that come from files: Airflow's settings, make's targets, components."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from hack.reference_pages.text import cell, code, row, table

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).resolve().parents[2]


def airflow() -> Iterator[str]:
    """The variables in files of ConfigMaps, with the comments above them."""
    yield "\n## Airflow's settings\n\nFiles of `base/`; an overlay adds to one by a `configMapGenerator` that merges."
    for file in sorted([*CHECKOUT.glob("base/*/*.env"), *CHECKOUT.glob("base/components/*/*.env")]):
        yield f"\n### {file.relative_to(CHECKOUT)}\n\n{table('variable', 'value')}"
        comment: list[str] = []
        for line in file.read_text().splitlines():
            if line.startswith("#"):
                comment.append(line.lstrip("# "))
            elif "=" in line:
                name, _, value = line.partition("=")
                yield row(code(name), code(value), cell(" ".join(comment)))
                comment = []


def make() -> Iterator[str]:
    """The targets and variables of the Makefile, with their help."""
    text = (CHECKOUT / "Makefile").read_text()
    yield f"\n## make\n\n{table('target')}"
    yield from (row(code(f"make {name}"), cell(said)) for name, said in re.findall(r"(?m)^([a-z-]+):.*## (.*)$", text))
    yield f"\n{table('variable', 'default')}"
    for name, default, said in re.findall(r"(?m)^# ([A-Z_]+) \((.*?)\): (.*)$", text):
        yield row(code(name), code(default if default != "none" else ""), cell(said))


def components() -> Iterator[str]:
    """The components, each with the first paragraph of its README."""
    yield f"\n## Components\n\nFor `components:` of an overlay.\n\n{table('component')}"
    for file in sorted(CHECKOUT.glob("base/components/*/README.md")):
        said = file.read_text().split("\n", 1)[1].strip().split("\n\n")[0].split("\n## ")[0]
        yield row(f"[`{file.parent.name}`](../{file.relative_to(CHECKOUT)})", cell(said))
