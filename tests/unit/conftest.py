"""Real Git repositories in temporary directories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import git
import pytest

from tests.unit.standalone import Standalone, standalone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AUTHOR = git.Actor("DAG author", "author@example.org")


@dataclass
class Upstream:
    """The DAG repository as its authors see it."""

    repo: git.Repo
    path: Path

    def commit(self, **files: str | None) -> str:
        """Write ``name=content`` (``name=None`` deletes; ``__`` in a name is ``/``), commit, return the revision."""
        for name, content in files.items():
            relative = name.replace("__", "/")
            file = self.path / relative
            if content is None:
                self.repo.index.remove([relative], working_tree=True)
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            self.repo.index.add([relative])
        return self.repo.index.commit("change", author=AUTHOR, committer=AUTHOR).hexsha


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    path = tmp_path / "upstream"
    with git.Repo.init(path, initial_branch="main") as repo:
        yield Upstream(repo, path)


@pytest.fixture
def gitsync(upstream: Upstream, tmp_path: Path) -> Iterator[Standalone]:
    yield from standalone(tmp_path, upstream.path)
