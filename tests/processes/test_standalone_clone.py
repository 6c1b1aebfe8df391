"""The flags for the extent of a fetch, and the objects that stay on the disk."""

from __future__ import annotations

import random
import subprocess
from typing import TYPE_CHECKING

import git
import pytest

from tests.unit.conftest import AUTHOR, Upstream
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.processes.standalone import Standalone


def in_store(gitsync: Standalone, *args: str) -> list[str]:
    command = ["git", f"--git-dir={gitsync.root}/.repository", *args]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def depth(gitsync: Standalone) -> int:
    return len(in_store(gitsync, "rev-list", gitsync.revision))


def test_one_commit_of_history_unless_told_otherwise(gitsync: Standalone, upstream: Upstream) -> None:
    for content in ("one", "two", "three"):
        upstream.commit(dag=content)
    assert gitsync.once().returncode == 0
    assert (gitsync.read(), depth(gitsync)) == ("three", 1)


def test_history_stays_short_across_updates(gitsync: Standalone, upstream: Upstream) -> None:
    first = upstream.commit(dag="one")
    gitsync.start("--depth=1")
    gitsync.shows("one")
    upstream.commit(dag="two")
    gitsync.shows("two")
    assert depth(gitsync) == 1
    upstream.repo.git.reset("--hard", first)
    gitsync.shows("one")
    assert depth(gitsync) == 1


def test_another_depth_after_a_restart(gitsync: Standalone, upstream: Upstream) -> None:
    """It counts from the next revision on."""
    for number, (wanted, found) in enumerate([(1, 1), (2, 2), (1, 1), (0, 4)], start=1):
        upstream.commit(dag=str(number))
        assert gitsync.once(f"--depth={wanted}").returncode == 0
        assert (gitsync.read(), depth(gitsync)) == (str(number), found)


@pytest.fixture
def patterns(tmp_path: Path) -> Path:
    file = tmp_path / "sparse"
    file.write_text("!/*\n!/*/\nfile2\n")
    return file


def test_a_sparse_checkout(gitsync: Standalone, upstream: Upstream, patterns: Path) -> None:
    upstream.commit(file="one", file2="two", dir__file3="three")
    assert gitsync.once(f"--sparse-checkout-file={patterns}").returncode == 0
    assert [path.name for path in gitsync.link.iterdir()] == ["file2"]


def promised(gitsync: Standalone) -> bool:
    return any((gitsync.root / ".repository" / "objects" / "pack").glob("*.promisor"))


def blobs_are_left_out(upstream: Upstream) -> None:
    upstream.repo.git.config("uploadpack.allowFilter", "true")


def test_a_partial_clone(gitsync: Standalone, upstream: Upstream) -> None:
    blobs_are_left_out(upstream)
    upstream.commit(dag="old")
    upstream.commit(dag="one")
    assert gitsync.once("--filter=blob:none", "--depth=0").returncode == 0
    assert (gitsync.read(), promised(gitsync)) == ("one", True)
    assert depth(gitsync) == 2


def test_a_partial_and_sparse_clone(gitsync: Standalone, upstream: Upstream, patterns: Path) -> None:
    blobs_are_left_out(upstream)
    upstream.commit(file="one", file2="two", dir__file3="three")
    result = gitsync.once("--filter=blob:none", f"--sparse-checkout-file={patterns}")
    assert result.returncode == 0, result.stderr
    assert [path.name for path in gitsync.link.iterdir()] == ["file2"]


def test_a_partial_clone_across_updates(gitsync: Standalone, upstream: Upstream) -> None:
    blobs_are_left_out(upstream)
    upstream.commit(dag="one")
    gitsync.start("--filter=blob:none", "--depth=0")
    gitsync.shows("one")
    upstream.commit(dag="two")
    gitsync.shows("two")


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Callable[[str], Upstream]]:
    """Makes further repositories beside the DAG repository."""
    made = []

    def make(name: str) -> Upstream:
        made.append(Upstream(git.Repo.init(tmp_path / name, initial_branch="main"), tmp_path / name))
        return made[-1]

    yield make
    for module in made:
        module.repo.close()


def embed(parent: Upstream, module: Upstream, url: str = "") -> None:
    """``module`` as a submodule of ``parent``, at the commit it has now; also moves one that is there."""
    address = url or module.path.as_uri()
    allowed = ("-c", "protocol.file.allow=always")
    name = module.path.name
    if (parent.path / name).exists():
        parent.repo.git.execute(["git", *allowed, "submodule", "update", "--remote", "--", name])
        parent.repo.git.add(name)
    else:
        parent.repo.git.execute(["git", *allowed, "submodule", "add", "-q", "--", address, name])
    parent.repo.index.commit("embed", author=AUTHOR, committer=AUTHOR)


def test_submodules_come_and_go(gitsync: Standalone, upstream: Upstream, repository: Callable[[str], Upstream]) -> None:
    """1. A submodule. 2. It moves on, and back. 3. It has a submodule of its own. 4. Both go."""
    sub, nested = repository("sub"), repository("nested")
    upstream.commit(dag="one")
    first = sub.commit(file="one")
    nested.commit(file="nested")
    embed(upstream, sub)
    gitsync.start()
    gitsync.shows("one", "sub/file")
    sub.commit(file="two")
    embed(upstream, sub)
    gitsync.shows("two", "sub/file")
    sub.repo.git.reset("--hard", first)
    embed(upstream, sub)
    gitsync.shows("one", "sub/file")
    embed(sub, nested)
    embed(upstream, sub)
    gitsync.shows("nested", "sub/nested/file")
    upstream.repo.git.rm("-qf", "sub")
    upstream.repo.index.commit("remove", author=AUTHOR, committer=AUTHOR)
    gitsync.shows_nothing_at("sub")
    assert gitsync.read() == "one"


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        pytest.param("recursive", ["nested", "sub"], id="recursive"),
        pytest.param("shallow", ["sub"], id="shallow"),
        pytest.param("off", [], id="off"),
    ],
)
def test_how_far_submodules_go(
    gitsync: Standalone, upstream: Upstream, repository: Callable[[str], Upstream], mode: str, found: list[str]
) -> None:
    sub, nested = repository("sub"), repository("nested")
    nested.commit(file="nested")
    sub.commit(file="sub")
    embed(sub, nested)
    upstream.commit(dag="one")
    embed(upstream, sub)
    assert gitsync.once(f"--submodules={mode}").returncode == 0
    assert gitsync.read() == "one"
    assert sorted(file.read_text() for file in gitsync.link.glob("sub/**/file")) == found


def test_a_submodule_by_a_relative_address(
    gitsync: Standalone, upstream: Upstream, repository: Callable[[str], Upstream]
) -> None:
    sub = repository("sub")
    sub.commit(file="sub")
    upstream.commit(dag="one")
    embed(upstream, sub, "../sub")
    assert gitsync.once().returncode == 0
    assert gitsync.read("sub/file") == "sub"


def test_a_submodule_that_is_not_at_the_tip_with_short_history(
    gitsync: Standalone, upstream: Upstream, repository: Callable[[str], Upstream]
) -> None:
    sub = repository("sub")
    sub.commit(file="one")
    upstream.commit(dag="one")
    embed(upstream, sub)
    sub.commit(file="two")
    result = gitsync.once("--depth=1")
    assert result.returncode == 0, result.stderr
    assert gitsync.read("sub/file") == "one"


def test_more_of_gits_configuration(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    asked = 'git config --get-regexp "^(http.postbuffer|pack)" >> "$0.log"; exec git "$@"'
    program = gitsync.script("asked-git", asked)
    options = ("--git-config=http.postBuffer:10485760,pack.depth:9", '--git-config-add=pack.threads:"1"')
    assert gitsync.once(f"--git={program}", *options).returncode == 0
    assert {"http.postbuffer 10485760", "pack.depth 9", "pack.threads 1"} <= set(
        program.with_name("asked-git.log").read_text().splitlines()
    )


@pytest.mark.parametrize("mode", ["auto", "always", "aggressive", "off"])
def test_garbage_collection_loses_nothing(gitsync: Standalone, upstream: Upstream, mode: str) -> None:
    first = upstream.commit(dag="one")
    assert gitsync.once(f"--git-gc={mode}").returncode == 0
    upstream.commit(dag="two")
    assert gitsync.once(f"--git-gc={mode}", "--stale-worktree-timeout=0").returncode == 0
    assert gitsync.read() == "two"
    assert gitsync.once(f"--git-gc={mode}", f"--ref={first}").returncode == 0
    assert gitsync.read() == "one"


def disk(directory: Path) -> int:
    """KiB, each file once however many links it has.

    No check of the status: `du` fails when a file goes away between its listing and its look, and counts the others.
    """
    listed = subprocess.run(["du", "-sk", directory], stdout=subprocess.PIPE, text=True, check=False)
    return int(listed.stdout.split()[0])


def commit_noise(upstream: Upstream, name: str) -> None:
    """Commit a file of 4 MiB that does not compress, with ``name`` as ``dag``."""
    (upstream.path / "big").write_bytes(random.Random(name).randbytes(2**22))
    upstream.repo.index.add(["big"])
    upstream.commit(dag=name)


def test_what_nobody_needs_any_more_leaves_the_disk(gitsync: Standalone, upstream: Upstream) -> None:
    """1. A file of 4 MiB is in the tree and in the repository. 2. A commit without it: both go, by default."""
    commit_noise(upstream, "one")
    assert gitsync.once().returncode == 0
    assert 7000 < disk(gitsync.root) < 9000
    upstream.commit(big=None, dag="two")
    assert gitsync.once().returncode == 0
    assert gitsync.read() == "two"
    assert disk(gitsync.root) < 1000


def test_the_disk_does_not_fill_with_what_was(gitsync: Standalone, upstream: Upstream) -> None:
    """Six commits replace a file of 4 MiB. The disk has the last one: in its tree and in the repository."""
    gitsync.start("--max-failures=-1")
    for number in range(6):
        commit_noise(upstream, str(number))
        gitsync.shows(str(number))
    eventually(lambda: disk(gitsync.root) < 9000, "the disk has one commit")
