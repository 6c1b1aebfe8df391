"""Damage to a store, as accidents do it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.unit.mirrors import git

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.git.mirror import Mirror


def loose(mirror: Mirror, name: str) -> Path:
    """The file of an object, once it is in no pack any more."""
    packs = mirror.directory / "objects" / "pack"
    for pack in packs.glob("*.pack"):
        outside = pack.rename(mirror.directory.parent / "unpacked")
        for left in packs.iterdir():
            left.unlink()
        with outside.open("rb") as content:
            subprocess.run(["git", "-C", mirror.directory, "unpack-objects", "-q"], stdin=content, check=True)
        outside.unlink()
    oid = git(mirror.directory, "rev-parse", name)
    return mirror.directory / "objects" / oid[:2] / oid[2:]


def truncate_blob(mirror: Mirror) -> None:
    file = loose(mirror, f"{some_tree(mirror)}:dag")
    file.chmod(0o644)
    file.write_bytes(b"")


def lose_commit(mirror: Mirror) -> None:
    loose(mirror, some_tree(mirror)).unlink()


def some_tree(mirror: Mirror) -> str:
    return git(mirror.directory, "for-each-ref", "--format=%(refname)", "--sort=-creatordate", "refs/trees").split()[-1]


def cut_pack(mirror: Mirror) -> None:
    git(mirror.directory, "repack", "-adq")
    (pack,) = (mirror.directory / "objects" / "pack").glob("*.pack")
    pack.chmod(0o644)
    os.truncate(pack, 40)


def scramble_head(mirror: Mirror) -> None:
    (mirror.directory / "HEAD").write_text("nonsense")


def empty_ref(mirror: Mirror) -> None:
    for ref in (mirror.directory / "refs" / "revisions").iterdir():
        ref.write_text("")
