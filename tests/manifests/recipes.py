"""Overlays that the documentation shows: each is read from its page, so the page is what is built."""

from __future__ import annotations

import os
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from tests.manifests.stack import ROOT, overlay_over

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FENCED = re.compile(r"(?:The file `(?P<file>[\w./-]+)`:\n\n)?[ ]*```yaml\n(?P<text>.*?)```", re.DOTALL)
INDENTED = re.compile(r"(?m)^    (?:components|patches):\n(?:    .*\n|\n(?=    ))*")
FIELDS = {"components", "configMapGenerator", "images", "labels", "patches", "replicas", "resources"}


@dataclass(frozen=True, eq=False)
class Recipe:
    """A part of a kustomization that a page shows, and the files beside it."""

    page: str
    title: str
    content: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    component: str = ""
    """The component whose README this is."""

    def __str__(self) -> str:
        return f"{self.component or self.page}: {self.title}"

    def write(self, folder: Path) -> Path:
        """Write an overlay `prod` over the base with the recipe."""
        overlay = overlay_over(ROOT / "base", folder, prefix="prod-", instance="prod")
        file = overlay / "kustomization.yaml"
        content = yaml.safe_load(file.read_text())
        shown = [each.removeprefix("../../") for each in self.content.get("components", ())]
        listed = dict.fromkeys(([f"base/components/{self.component}"] if self.component else []) + shown)
        content |= {key: value for key, value in self.content.items() if key not in ("components", "resources")}
        content["resources"] += self.content.get("resources", [])
        content["components"] = [os.path.relpath(ROOT / each, overlay) for each in listed]
        file.write_text(yaml.safe_dump(content))
        for name, text in (dict.fromkeys(self._named(), "{}\n") | self.files).items():
            (overlay / name).write_text(text)
        return overlay

    def _named(self) -> list[str]:
        """The files that generators read."""
        generators = self.content.get("configMapGenerator", ())
        return [file.partition("=")[2] or file for each in generators for file in each.get("files", ())]


def of_page(path: Path, component: str = "") -> list[Recipe]:
    """Return the recipes of a page, by its sections: all blocks of a section that are parts of a kustomization."""
    found = []
    for section in re.split(r"(?m)^#+ ", path.read_text())[1:]:
        title, shown = section.partition("\n")[0], list(blocks(section))
        files = {file: text for file, text in shown if file}
        for number, content in enumerate(yaml.safe_load(text) for file, text in shown if not file):
            if content.keys() <= FIELDS:
                found.append(Recipe(path.name, f"{title} {number}" if number else title, content, files, component))
    return found


def blocks(section: str) -> Iterator[tuple[str, str]]:
    """Yield the YAML of a section, each with the name of the file that the text before it gives it."""
    for block in FENCED.finditer(section):
        yield block["file"] or "", textwrap.dedent(block["text"])
    for indented in INDENTED.finditer(FENCED.sub("", section)):
        yield "", textwrap.dedent(indented[0])


RECIPES = of_page(ROOT / "docs/overlays.md")
ELSEWHERE = of_page(ROOT / "docs/operate.md") + [
    recipe
    for path in sorted(ROOT.glob("base/components/*/README.md"))
    for recipe in of_page(path, component=path.parent.name)
]
