"""Fetching into a damaged store: it is mended once the host answers, and what can be read is kept."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from gitsync.errors import RemoteError, StoreError
from gitsync.git.remote import Remote
from tests.processes.damage import cut_pack, empty_ref, loose, lose_commit, scramble_head, truncate_blob
from tests.unit.mirrors import NOWHERE, MakeMirror, git, publish, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitsync.git.mirror import Mirror
    from tests.unit.conftest import Upstream


@pytest.mark.parametrize("damage", [lose_commit, cut_pack, scramble_head, empty_ref])
def test_a_damaged_store_is_replaced_only_when_the_host_has_answered(
    upstream: Upstream, make_mirror: MakeMirror, damage: Callable[[Mirror], None]
) -> None:
    """1. damaged while the host is down: nothing is removed, however often we look; 2. it is back: all is well."""
    revision = upstream.commit(dag="one", other="two")
    mirror = make_mirror()
    publish(mirror, upstream)
    damage(mirror)
    before = everything(mirror.directory)
    for _ in range(2):
        mirror = make_mirror()
        with pytest.raises(RemoteError):
            mirror.fetch(NOWHERE, "main")
    assert everything(mirror.directory) == before
    assert publish(mirror, upstream) == revision
    assert text(mirror, revision) == {"dag": "one", "other": "two"}
    git(mirror.directory, "fsck", "--strict")
    assert sorted(path.name for path in mirror.directory.parent.iterdir()) == ["mirror.git", "upstream"]


def everything(directory: Path) -> set[Path]:
    return {path.relative_to(directory) for path in directory.rglob("*")}


def test_what_can_be_read_of_a_damaged_store_is_kept(upstream: Upstream, make_mirror: MakeMirror) -> None:
    """The old revision was force-pushed away: only our store has it, and a run may still need it."""
    old = upstream.commit(dag="old")
    mirror = make_mirror()
    publish(mirror, upstream)
    upstream.repo.git.commit("--amend", "-m", "rewritten")
    (upstream.path / "dag").write_text("new")
    upstream.repo.index.add(["dag"])
    upstream.repo.git.commit("--amend", "-m", "again")
    new = publish(mirror, upstream)
    git(upstream.path, "reflog", "expire", "--expire=now", "--all")
    git(upstream.path, "gc", "-q", "--prune=now")
    git(mirror.directory, "repack", "-adq")
    loose(mirror, f"refs/trees/{new}").unlink()
    mirror = make_mirror()
    assert publish(mirror, upstream) == new
    assert text(mirror, old) == {"dag": "old"}


def test_damage_that_comes_while_we_run_is_mended_at_the_next_look(upstream: Upstream, make_mirror: MakeMirror) -> None:
    upstream.commit(dag="one")
    mirror = make_mirror()
    revision = publish(mirror, upstream)
    blob = mirror.files(revision)["dag"].blob
    truncate_blob(mirror)
    for read in (lambda: mirror.read([blob]), lambda: mirror.files(revision)):
        with pytest.raises(StoreError):
            read()
        with pytest.raises(RemoteError):
            mirror.fetch(NOWHERE, "main")
    publish(mirror, upstream)
    assert text(mirror, revision) == {"dag": "one"}


def test_a_member_mends_its_store_too(upstream: Upstream, make_mirror: MakeMirror) -> None:
    controller, member = make_mirror("controller"), make_mirror("member")
    upstream.commit(dag="one")
    served = Remote(str(controller.directory))
    old = publish(controller, upstream)
    member.take(served, old)
    lose_commit(member)
    upstream.commit(dag="two")
    new = publish(controller, upstream)
    member = make_mirror("member")
    member.take(served, new)
    assert text(member, new) == {"dag": "two"}


@pytest.mark.parametrize(
    "left",
    ["shallow.lock", "HEAD.lock", "packed-refs.lock", "config.lock", "refs/trees/x.lock", "gc.pid",
     "objects/pack/tmp_pack_x", "objects/aa/tmp_obj_x", "tmp.gitsync.x/index.lock"],
)  # fmt: skip
def test_what_a_dead_process_left_is_removed(upstream: Upstream, make_mirror: MakeMirror, left: str) -> None:
    upstream.commit(dag="one")
    mirror = make_mirror(depth=1)
    publish(mirror, upstream)
    (mirror.directory / left).parent.mkdir(exist_ok=True)
    (mirror.directory / left).write_text("1 host")
    upstream.commit(dag="two")
    revision = publish(make_mirror(depth=1), upstream)
    assert not (mirror.directory / left).exists()
    assert text(mirror, revision) == {"dag": "two"}


def test_killed_between_the_two_renames_the_new_store_is_used(upstream: Upstream, make_mirror: MakeMirror) -> None:
    revision = upstream.commit(dag="one")
    mirror = make_mirror()
    publish(mirror, upstream)
    directory = mirror.directory
    shutil.copytree(directory, directory.with_name(f"{directory.name}.fresh"))
    directory.rename(directory.with_name(f"{directory.name}.damaged"))
    assert text(make_mirror(), revision) == {"dag": "one"}
    assert sorted(path.name for path in directory.parent.iterdir()) == ["mirror.git", "upstream"]
