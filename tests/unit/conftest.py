"""Fixtures for several modules: real Git repositories, trees, notices and facts, in temporary directories."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import git
import pytest
from hypothesis import settings

from gitsync.git.clone import Clone
from gitsync.git.mirror import Mirror
from gitsync.impact.cache import FactCache
from gitsync.trees.store import Store
from tests.examples import examples
from tests.ports import free_port
from tests.unit.notices import Receiver
from tests.unit.services import service, serving
from tests.unit.trees import NEW, OLD, Library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.mirrors import MakeMirror

settings.register_profile("examples", max_examples=examples(100))
settings.load_profile("examples")
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
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "root")
    store.prepare()
    return store


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    path = tmp_path / "upstream"
    with git.Repo.init(path, initial_branch="main") as repo:
        # Whoever runs the tests may have told Git no name.
        repo.git.update_environment(GIT_COMMITTER_NAME=AUTHOR.name, GIT_COMMITTER_EMAIL=AUTHOR.email)
        yield Upstream(repo, path)


@pytest.fixture
def make_mirror(tmp_path: Path) -> MakeMirror:
    def make(name: str = "mirror", **options: Any) -> Mirror:
        mirror = Mirror(tmp_path / f"{name}.git", clone=Clone(**options))
        mirror.prepare()
        return mirror

    return make


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The git commands that we have started since the last call; what Git starts itself is not counted."""
    log, directory = tmp_path / "commands", tmp_path / "bin"
    directory.mkdir()
    (directory / "git").write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {shutil.which("git")} "$@"\n')
    (directory / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=":")

    def since() -> list[str]:
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [next(word for word in line.split() if not word.startswith("-")) for line in lines]

    return since


@pytest.fixture
def daemon(upstream: Upstream, tmp_path: Path) -> Iterator[str]:
    """The address of ``upstream`` at a `git daemon`."""
    port = free_port()
    options = ["--reuseaddr", "--export-all", "--listen=127.0.0.1", f"--port={port}", f"--base-path={tmp_path}"]
    with serving(["/usr/lib/git-core/git-daemon", *options], port, tmp_path / "daemon.log"):
        yield f"git://127.0.0.1:{port}/{upstream.path.name}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with service(receiver) as receiver.url:
        yield receiver


@pytest.fixture
def library() -> Library:
    """OLD and NEW: one DAG file and its helper change, another DAG file and a data file do not."""
    library = Library()
    library.add(OLD, changed_py="one", same_py="same", gone__only_py="gone", data__file="data", lib__helper_py="one")
    library.add(NEW, changed_py="two", same_py="same", added__only_py="new", data__file="data", lib__helper_py="two")
    return library


@pytest.fixture
def cache(tmp_path: Path) -> FactCache:
    return FactCache(tmp_path / "facts")
