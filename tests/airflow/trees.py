"""A DAG repository, and a root with trees as a sidecar makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import git

from gitsync.git.mirror import Mirror
from gitsync.git.remote import Remote
from gitsync.trees.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

AUTHOR = git.Actor("Tests", "tests@example.org")


class Trees:
    """``commit`` adds to the repository only; ``stage`` and ``flip`` do what a sidecar does when it is told."""

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "repository"
        self.root = folder / "root"
        self.store = Store(self.root)
        self.store.prepare()
        self.mirror = Mirror(folder / "mirror.git")
        self.mirror.prepare()
        git.Repo.init(self.repository, initial_branch="main").close()

    def commit(self, files: Mapping[str, str | None]) -> str:
        """Write the files, remove those that are None, and give the new commit."""
        with git.Repo(self.repository) as repository:
            for name, text in files.items():
                path = self.repository / name
                if text is None:
                    path.unlink()
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text)
            repository.git.add("--all")
            return repository.index.commit("Change", author=AUTHOR, committer=AUTHOR).hexsha

    def stage(self, revision: str) -> None:
        """Also export it, as the controller does before a member is told of it."""
        self.mirror.fetch(Remote(str(self.repository)), revision)
        self.mirror.export(revision, str(self.repository))
        self.store.stage(revision, self.mirror)

    def publish(self, files: Mapping[str, str | None]) -> str:
        revision = self.commit(files)
        self.stage(revision)
        self.store.flip(revision)
        return revision
