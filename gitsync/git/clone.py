"""How much of a repository is fetched, and how much of a revision its readers get."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - pydantic resolves the annotation
from typing import Any, ClassVar

from gitsync.errors import StoreError

_FILTER = re.compile(r"(blob:none|tree:0|blob:limit=\d+[kmg]?)?")
SUBMODULES = ("recursive", "shallow", "off")
COLLECTION = ("auto", "always", "aggressive", "off")


@dataclass(frozen=True)
class Clone:
    """What of a repository is fetched. A change applies from the next revision on: an exported tree stays as it is."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    depth: int = 0
    """Commits of history; 0 is all of it. Whether a branch was force-pushed is known only with all of it."""
    filter: str = ""
    """``blob:none``, ``tree:0`` or ``blob:limit=N``: history without contents; a revision's own are always fetched."""
    sparse: tuple[str, ...] = ()
    """Patterns as in Git's ``info/sparse-checkout``, without cones; none is the whole tree."""
    sparse_file: Path | None = None
    """A file with such patterns, one a line, in addition; read when a revision is new."""
    submodules: str = "recursive"
    """``recursive``; ``shallow``: the repository's own, not theirs; ``off``: their directories are left out."""
    gc: str = "auto"
    """When Git tidies its store after a fetch: ``auto`` by its own rules, ``always``, ``aggressive`` or ``off``."""

    def __post_init__(self) -> None:
        if self.depth < 0:
            raise ValueError("depth must be 0 for the whole history, or a number of commits")
        if not _FILTER.fullmatch(self.filter):
            raise ValueError("filter must be blob:none, tree:0 or blob:limit=N with N in bytes, k, m or g")
        if self.submodules not in SUBMODULES:
            raise ValueError(f"submodules must be one of {', '.join(SUBMODULES)}")
        if self.gc not in COLLECTION:
            raise ValueError(f"gc must be one of {', '.join(COLLECTION)}")

    def patterns(self) -> tuple[str, ...]:
        """All sparse patterns. Raises StoreError when their file cannot be read."""
        if self.sparse_file is None:
            return self.sparse
        try:
            lines = self.sparse_file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            message = f"cannot read the sparse patterns in {self.sparse_file}: {error}; correct `sparse_file`"
            raise StoreError(message) from error
        return (*self.sparse, *(line for line in lines if line.strip() and not line.startswith("#")))
