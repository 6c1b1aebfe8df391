"""Finds the files of a revision that sparse patterns select, by asking Git."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitsync.git.repository import Repository


def selected(repository: Repository, revision: str, patterns: tuple[str, ...]) -> frozenset[str]:
    """The paths of ``revision`` that a work tree with the sparse ``patterns`` would have.

    `git sparse-checkout check-rules` would be simpler, but Debian 12's Git does not have it.
    """
    (repository.directory / "info" / "sparse-checkout").write_text("".join(f"{line}\n" for line in patterns))
    config = {"core.sparseCheckout": "true", "core.sparseCheckoutCone": "false"}
    with repository.scratch() as scratch:
        work = scratch / "work"
        work.mkdir()
        env = {"GIT_INDEX_FILE": str(scratch / "index"), "GIT_WORK_TREE": str(work)}
        repository.run("read-tree", revision, env=env)
        repository.run("sparse-checkout", "reapply", env=env, config=config)
        lines = os.fsdecode(repository.run("ls-files", "-t", "-z", env=env, config=config)).split("\0")
    return frozenset(line.removeprefix("H ") for line in lines if line.startswith("H "))
