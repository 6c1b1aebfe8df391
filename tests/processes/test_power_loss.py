"""Power failures: a file system of its own loses what was not written yet, and a start on it finds that out."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gitsync.git.mirror import Mirror
from gitsync.trees.repair import repair
from gitsync.trees.store import Store
from tests.unit.mirrors import publish
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.conftest import Upstream

FILES = 40


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    """An ext4 file system in a file. It writes names to disk each second, and contents half a minute later."""
    at.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", "loop,commit=1", image, at], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no loop device can be mounted here: {done.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    return image


def crashed(image: Path, crash: Path, revision: str, at: Path) -> bool:
    """Copy the disk as a power failure would leave it. Gives whether the tree's name has reached it already."""
    shutil.copyfile(image, crash)
    with mounted(crash, at) as volume:
        return (volume / "revisions" / revision).is_dir() and (volume / "current").is_symlink()


def test_a_tree_that_a_power_failure_has_emptied_is_built_again(
    upstream: Upstream, tmp_path: Path, image: Path
) -> None:
    upstream.commit(**{f"dags__{number}.py": f"dag = {number}\n" for number in range(FILES)})
    crash, after = tmp_path / "crash", tmp_path / "after"
    with mounted(image, tmp_path / "before") as volume:
        store, mirror = _volume(volume)
        revision = publish(mirror, upstream)
        store.stage(revision, mirror)
        store.flip(revision)
        eventually(lambda: crashed(image, crash, revision, after), "the tree's name is on the disk")
    with mounted(crash, after) as volume:
        store, mirror = _volume(volume)
        sizes = [file.stat().st_size for file in (store.revisions / revision / "dags").iterdir()]
        assert sizes == [0] * FILES, "the crash has lost nothing, so this test proves nothing"
        repair(store, mirror)
        assert store.current() == revision
        for number in range(FILES):
            assert (store.revisions / revision / "dags" / f"{number}.py").read_text() == f"dag = {number}\n"


def _volume(root: Path) -> tuple[Store, Mirror]:
    store, mirror = Store(root), Mirror(root / ".repository")
    store.prepare()
    mirror.prepare()
    return store, mirror
