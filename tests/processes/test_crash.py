"""A process is killed at any step of staging, flipping or removing. Its successor continues."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from gitsync.trees.store import Store
from tests.unit.trees import NEW, OLD, OTHER, Library, contents, nodes

if TYPE_CHECKING:
    from pathlib import Path

CRASHING = """
import os, pathlib, signal, sys
from gitsync.trees.store import Store
from tests.processes.test_crash import library, steps

root, step = pathlib.Path(sys.argv[1]), int(sys.argv[2])
store, books = Store(root), library()
CHANGES = {"os.link", "os.rename", "os.symlink", "os.mkdir", "os.chmod", "os.utime", "os.remove", "os.rmdir", "open"}
count = 0

def watch(event, args):
    global count
    if event not in CHANGES or (event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR)):
        return
    count += 1
    if count == step:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
steps(store, books)
"""


def library() -> Library:
    """Three commits in a row that share files, and each of which changes some."""
    books = Library()
    books.add(OLD, a__own_py="old", a__shared_py="shared", b__gone_py="gone")
    books.add(NEW, a__own_py="new", a__shared_py="shared", c__more_py="more")
    books.add(OTHER, a__own_py="other", a__shared_py="shared", c__more_py="more")
    return books


def steps(store: Store, books: Library) -> None:
    """What a sidecar does with two publications, the second of which is taken back."""
    store.prepare()
    store.stage(NEW, books, touched=lambda _base: ["a/shared.py"])
    store.flip(NEW)
    store.stage(OTHER, books)
    store.flip(OTHER)
    store.flip(NEW)
    store.remove_except({NEW}, older_than=-1)


def check(root: Path, books: Library) -> None:
    """What readers may rely on: the link leads somewhere, and every revision that is there is whole."""
    current = (root / "current").readlink()
    assert (root / current).is_dir(), f"{current} dangles"
    for tree in (root / "revisions").iterdir():
        assert contents(tree) == {path: file.text for path, file in books.files(tree.name).items()}, tree


def test_killed_at_any_step_the_next_process_recovers(tmp_path: Path) -> None:
    """
    1. OLD is current. A process publishes NEW and OTHER, goes back, removes; it is killed at its n-th change on disk.
    2. At that moment the link leads to a whole tree, and no part of a tree is named as a revision.
    3. A new process does it all again, without any network: it ends as if nothing had happened.
    """
    books, step, killed = library(), 0, True
    while killed:
        step += 1
        root = tmp_path / str(step)
        store = Store(root)
        store.prepare()
        store.stage(OLD, books)
        store.flip(OLD)
        done = subprocess.run([sys.executable, "-c", CRASHING, str(root), str(step)], check=False)
        killed = done.returncode == -signal.SIGKILL
        assert killed or done.returncode == 0
        check(root, books)
        steps(Store(root), books)
        check(root, books)
        assert store.current() == NEW
        assert store.staged() == {NEW}
        assert list((root / ".incoming").iterdir()) == []
        assert {node.mode[:4] for node in nodes(store.revisions).values()} == {"dr-x", "-r--"}
    assert step > 40, "it was killed at every step"
