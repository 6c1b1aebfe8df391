"""Settings for the extent of a fetch: history, contents, files and submodules."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - pydantic resolves the annotation
from typing import Any, ClassVar

from gitsync.errors import StoreError
from gitsync.git.address import Address
from gitsync.log import redacted

_FILTER = re.compile(r"(blob:none|tree:0|blob:limit=\d+[kmg]?)?")


def folder(path: str) -> str:
    """The directory ``path`` of a repository, without ``./`` and doubled slashes; empty for the whole repository.

    Raises ValueError if it is outside.
    """
    short = posixpath.normpath(path)
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("must be a path inside the repository")
    return "" if short == "." else short


class Submodules(StrEnum):
    """The submodules to put into an exported tree."""

    RECURSIVE = "recursive"
    SHALLOW = "shallow"
    """The repository's own submodules, and not those of its submodules."""
    OFF = "off"


class Tidying(StrEnum):
    """When Git tidies its store after a fetch."""

    AUTO = "auto"
    """By Git's own rules."""
    ALWAYS = "always"
    AGGRESSIVE = "aggressive"
    OFF = "off"


@dataclass(frozen=True)
class Clone:
    """The extent of a fetch. A change applies from the next revision on; an exported tree stays as it is."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    depth: int = 0
    """Commits of history; 0 is all of it. With less than all of it a force-push is not noticed."""
    filter: str = ""
    """``blob:none``, ``tree:0`` or ``blob:limit=N`` fetch history without contents. The contents of a revision that is
    published are always fetched."""
    sparse: tuple[str, ...] = ()
    """Patterns as in Git's ``info/sparse-checkout``, without cone mode. Without any, the whole tree is published."""
    sparse_file: Path | None = None
    """A file with more such patterns, one a line. It is read for each new revision."""
    submodules: Submodules = Submodules.RECURSIVE
    """``recursive``: all. ``shallow``: the repository's own, and not those of its submodules. ``off``: none; their
    directories are left out."""
    submodules_within: tuple[str, ...] = ()
    """Addresses below which every submodule must be, such as ``https://git.example.org/team``; a submodule of a
    submodule, too. Without any, a commit may name every host that the controller reaches."""
    gc: Tidying = Tidying.AUTO
    """When Git tidies its store after a fetch: ``auto`` (by Git's own rules), ``always``, ``aggressive`` or ``off``."""

    def __post_init__(self) -> None:
        if self.depth < 0:
            raise ValueError("depth must be 0 for the whole history, or a number of commits")
        if not _FILTER.fullmatch(self.filter):
            raise ValueError("filter must be blob:none, tree:0 or blob:limit=N with N in bytes, k, m or g")
        if wrong := [each for each in self.submodules_within if Address.parse(each) is None]:
            message = f"submodules_within: {redacted(wrong[0])!r} is no address; write one such as https://git.example.org/team"
            raise ValueError(message)

    def patterns(self) -> tuple[str, ...]:
        """All sparse patterns. Raises StoreError if their file cannot be read."""
        if self.sparse_file is None:
            return self.sparse
        try:
            lines = self.sparse_file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            message = f"cannot read the sparse patterns in {self.sparse_file}: {error}; correct `sparse_file`"
            raise StoreError(message) from error
        return (*self.sparse, *(line for line in lines if line.strip() and not line.startswith("#")))
