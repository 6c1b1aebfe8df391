"""Fetching goes on after a crash at any command, on a full disk, and when a host or Git itself hangs."""

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
from tests.processes.damage import scramble_head
from tests.unit.mirrors import NOWHERE, MakeMirror, at, git, publish, text
from tests.unit.test_git import is_running
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.conftest import Upstream

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
    script = f'#!/bin/sh\ncase "$1" in gc) sleep 1000 & echo $! > {tmp_path}/pid; wait;; esac\nexec {real} "$@"\n'
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
