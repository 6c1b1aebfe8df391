"""Readers never see a broken tree while the link moves a thousand times."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from gitsync.trees.store import Store
from tests.unit.trees import NEW, OLD, Library

if TYPE_CHECKING:
    from pathlib import Path

FLIPS = 1000
READERS = 3
FILES = 10

READER = """
import os, pathlib, sys
root, walks = pathlib.Path(sys.argv[1]), 0
print("reading", flush=True)
while not (root / "stop").exists():
    # As the bundle does it: the link is followed once, and never again.
    tree = pathlib.Path(os.path.realpath(root / "current"))
    files = [pathlib.Path(below, name) for below, _, names in os.walk(tree, onerror=sys.exit) for name in names]
    texts = {file.read_text() for file in files if file.name.startswith("own")}
    if texts != {tree.name} or len(files) != int(sys.argv[2]):
        sys.exit(f"a mix: {texts} and {len(files)} files in {tree}")
    walks += 1
print(walks)
"""


def test_a_reader_sees_one_whole_commit_through_a_thousand_flips(tmp_path: Path) -> None:
    """
    1. Two trees share half of their files; every other file names its commit.
    2. The link moves 1,000 times, and files get new times; readers in processes of their own walk and read all files.
    3. No reader meets an error, a missing file or a file of the other commit.
    """
    library = Library()
    for revision in (OLD, NEW):
        own = {f"a{number}__own_{number}": revision for number in range(FILES)}
        library.add(revision, **own, **{f"a{number}__shared_{number}": "shared" for number in range(FILES)})
    store = Store(tmp_path)
    store.prepare()
    for revision in (OLD, NEW):
        store.stage(revision, library)
    store.flip(OLD)
    command = [sys.executable, "-c", READER, str(tmp_path), str(2 * FILES)]
    pipe = subprocess.PIPE
    readers = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(READERS)]
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "reading\n"
        for number in range(FLIPS):
            store.flip((NEW, OLD)[number % 2])
    finally:
        (tmp_path / "stop").touch()
        ended = [(*reader.communicate(), reader.returncode) for reader in readers]
    assert [status for _walks, _error, status in ended] == [0] * READERS, ended
    assert all(int(walks) > 0 for walks, _error, _status in ended)
