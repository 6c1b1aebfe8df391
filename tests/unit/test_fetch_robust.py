"""What must not be lost: a damaged store, a crash at any command, a full disk, a host that hangs or vanishes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitsync.errors import RemoteError, StoreError, VolumeFull
from gitsync.git.clone import Clone
from gitsync.git.mirror import Mirror
from gitsync.git.remote import Remote
from tests.unit.mirrors import NOWHERE, MakeMirror, at, git, publish, text
from tests.unit.test_git import is_running
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.conftest import Upstream


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


PUBLISH = """
import sys
from pathlib import Path
from gitsync.git.clone import Clone
from gitsync.git.mirror import Mirror
from gitsync.git.remote import Remote
mirror = Mirror(Path(sys.argv[1]), clone=Clone(sparse=("/dag", "/libs/"), gc="always"))
mirror.prepare()
mirror.export(mirror.fetch(Remote(sys.argv[2]), "main"), sys.argv[2])
"""


@pytest.mark.parametrize(
    ("when", "damaged"), [("before", False), ("amid", False), ("after", False), ("after", True)], ids=str
)
def test_killed_at_any_command_it_goes_on_where_it_was(
    upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path, when: str, *, damaged: bool
) -> None:
    """SIGKILL to the process at its first, second, … command, until one round ends by itself; then without the host."""
    old = upstream.commit(dag="one")
    mirror = make_mirror()
    publish(mirror, upstream)
    new = upstream.commit(dag="two")
    killer = Killer(tmp_path, when)
    for number in range(1, 100):
        if damaged:
            scramble_head(mirror)
        finished = killer.run_until(number, str(mirror.directory), f"file://{upstream.path}")
        mirror = make_mirror()
        if not damaged:
            assert text(mirror, old) == {"dag": "one"}
            with pytest.raises(RemoteError):
                mirror.fetch(NOWHERE, "main")
        assert not list(mirror.directory.glob("**/*.lock"))
        if finished:
            break
    assert number > 5
    assert publish(mirror, upstream) == new
    assert text(mirror, new) == {"dag": "two"}
    git(mirror.directory, "fsck", "--strict")


def test_killed_between_the_two_renames_the_new_store_is_used(upstream: Upstream, make_mirror: MakeMirror) -> None:
    revision = upstream.commit(dag="one")
    mirror = make_mirror()
    publish(mirror, upstream)
    directory = mirror.directory
    shutil.copytree(directory, directory.with_name(f"{directory.name}.fresh"))
    directory.rename(directory.with_name(f"{directory.name}.damaged"))
    assert text(make_mirror(), revision) == {"dag": "one"}
    assert sorted(path.name for path in directory.parent.iterdir()) == ["mirror.git", "upstream"]


class Killer:
    """Runs PUBLISH and kills it, with all it has started, at one of its git commands."""

    def __init__(self, directory: Path, when: str) -> None:
        self.count = directory / "count"
        self.bin = directory / "bin"
        self.bin.mkdir()
        real = shutil.which("git")
        # The process that started us is the one to die; Git's own process group dies with it.
        die = "{ kill -9 $PPID; kill -9 0; }"
        act = {"before": die, "amid": f'{real} "$@" & sleep 0.0$(($$ % 4)); {die}', "after": f'{real} "$@"; {die}'}
        script = f"""#!/bin/sh
echo >> {self.count}
if [ $(wc -l < {self.count}) -eq "$KILL_AT" ]; then {act[when]}; fi
exec {real} "$@"
"""
        (self.bin / "git").write_text(script)
        (self.bin / "git").chmod(0o755)

    def run_until(self, number: int, *args: str) -> bool:
        self.count.write_text("")
        env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "KILL_AT": str(number)}
        done = subprocess.run([sys.executable, "-c", PUBLISH, *args], env=env, check=False)
        assert done.returncode in (0, -signal.SIGKILL)
        return done.returncode == 0


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    volume = tmp_path / "volume"
    volume.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", volume], check=True)
    yield volume
    subprocess.run(["umount", volume], check=True)


def test_a_full_disk_refuses_what_is_new_and_nothing_else(upstream: Upstream, small_volume: Path) -> None:
    """1. a revision fits; 2. one of 2 MiB does not; 3. the first is still served; 4. the next that fits is taken."""
    mirror = Mirror(small_volume / "mirror.git", clone=Clone(depth=1))
    mirror.prepare()
    upstream.commit(dag="one")
    old = publish(mirror, upstream)
    (upstream.path / "big").write_bytes(os.urandom(2 * 2**20))
    upstream.repo.index.add(["big"])
    upstream.commit(dag="two")
    for _ in range(3):
        with pytest.raises(VolumeFull):
            publish(mirror, upstream)
    assert text(mirror, old) == {"dag": "one"}
    upstream.commit(dag="three", big=None)
    assert text(mirror, publish(mirror, upstream)) == {"dag": "three"}


def test_a_tree_that_does_not_fit_is_an_error_of_the_disk(
    upstream: Upstream, make_mirror: MakeMirror, small_volume: Path
) -> None:
    upstream.commit(dag="x" * 2 * 2**20)
    mirror = make_mirror()
    revision = publish(mirror, upstream)
    with pytest.raises(StoreError, match="free space"):
        mirror.write_files(revision, small_volume)


def test_a_host_that_never_answers_is_given_up(make_mirror: MakeMirror) -> None:
    mirror = make_mirror()
    mirror._repository.timeout = 1  # only now: on a busy machine `git init` may take longer
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(RemoteError) as error:
        mirror.fetch(Remote(f"git://127.0.0.1:{mute.getsockname()[1]}/x"), "main")
    assert error.value.reason == "TimedOut"


def test_tidying_that_takes_too_long_is_given_up_and_publishes_all_the_same(
    upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git gc` hangs: the revision is there, and nothing of it is left running."""
    real, directory = shutil.which("git"), tmp_path / "bin"
    directory.mkdir()
    script = f'#!/bin/sh\ncase "$*" in *" gc "*) sleep 1000 & echo $! > {tmp_path}/pid; wait;; esac\nexec {real} "$@"\n'
    (directory / "git").write_text(script)
    (directory / "git").chmod(0o755)
    upstream.commit(dag="one")
    mirror = make_mirror()
    revision = mirror.fetch(at(upstream), "main")
    monkeypatch.setenv("PATH", str(directory), prepend=":")
    mirror._repository.timeout = 10
    mirror.export(revision, str(upstream.path))
    assert mirror.exported(revision)
    eventually(lambda: not is_running((tmp_path / "pid").read_text().strip()), "what gc started is gone")


def test_the_store_stays_small_over_many_revisions(upstream: Upstream, make_mirror: MakeMirror) -> None:
    mirror = make_mirror(gc="always")
    for number in range(12):
        upstream.commit(dag=f"{number}\n" * 1000)
        revision = publish(mirror, upstream)
        mirror.forget(mirror.revisions() - {revision})
    assert len(list((mirror.directory / "objects" / "pack").glob("*.pack"))) <= 2
    assert mirror.revisions() == {revision}
