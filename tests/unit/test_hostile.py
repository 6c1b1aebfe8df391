"""Attacks by a hostile repository, made object by object: each is refused by name, or has no effect."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from gitsync.errors import GitSyncError, Refused, RemoteError
from tests.unit.mirrors import MakeMirror, commit, git, publish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Upstream


class Forger:
    """Writes objects into the upstream repository that no honest Git would write."""

    def __init__(self, upstream: Upstream) -> None:
        self.directory = upstream.path

    def write(self, kind: str, content: bytes) -> str:
        command = ["git", "-C", str(self.directory), "hash-object", "--literally", "-w", "-t", kind, "--stdin"]
        return subprocess.run(command, input=content, check=True, capture_output=True).stdout.decode().strip()

    def tree(self, *entries: tuple[str, bytes, str]) -> str:
        content = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
        return self.write("tree", content)

    def push(self, *entries: tuple[str, bytes, str]) -> str:
        """Make a commit of ``entries`` the head of the branch."""
        head = f"tree {self.tree(*entries)}\nauthor a <a@b.c> 0 +0000\ncommitter a <a@b.c> 0 +0000\n\nx\n"
        commit = self.write("commit", head.encode())
        git(self.directory, "update-ref", "refs/heads/main", commit)
        return commit


@pytest.fixture
def forger(upstream: Upstream) -> Forger:
    return Forger(upstream)


NAMES = {
    "parent": b"..", "self": b".", "git": b".git", "upper-case": b".GIT", "ntfs-short": b"git~1", "ntfs-dot": b".git.",
    "ntfs-stream": b".git::$INDEX_ALLOCATION", "hfs-ignorable": ".g\u200cit".encode(), "slash": b"../up",
    "absolute": b"/etc/passwd", "backslash-git": b"x\\.git",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_names_that_lead_out_of_the_tree_are_refused(
    forger: Forger, upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path, name: bytes, kind: str
) -> None:
    blob = forger.write("blob", b"evil")
    forger.push(("100644", name, blob) if kind == "file" else ("40000", name, forger.tree(("100644", b"x", blob))))
    mirror = make_mirror()
    with pytest.raises(RemoteError) as error:
        publish(mirror, upstream)
    assert error.value.reason == "ObjectsRefused"
    assert str(upstream.path) in str(error.value)
    assert not mirror.revisions()


@pytest.mark.parametrize("name", [name for name in NAMES.values() if b"~" not in name and b":" not in name], ids=str)
def test_such_names_are_refused_again_where_they_would_be_read_and_written(
    forger: Forger, upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path, name: bytes
) -> None:
    """As if the object had come in another way than a checked fetch."""
    tree = forger.tree(("100644", name, forger.write("blob", b"evil")))
    mirror = make_mirror()
    revision = forger.push(("40000", b"sub", tree))
    git(mirror.directory, "fetch", "-q", str(upstream.path), f"+{revision}:refs/trees/{revision}")
    (tmp_path / "tree").mkdir()
    with pytest.raises(GitSyncError):
        mirror.write_files(revision, tmp_path / "tree")
    assert not list((tmp_path / "tree").rglob("*evil*"))
    if name.lower() in (b"..", b".", b".git", b"../up", b"/etc/passwd"):
        with pytest.raises(Refused, match="remove it"):
            mirror.files(revision)


def test_two_entries_of_one_name_are_refused(forger: Forger, upstream: Upstream, make_mirror: MakeMirror) -> None:
    """A link, and a directory of the same name: the second would be written through the first."""
    evil = forger.write("blob", b"evil")
    forger.push(("120000", b"a", forger.write("blob", b"/tmp")), ("40000", b"a", forger.tree(("100644", b"x", evil))))
    with pytest.raises(RemoteError, match="duplicateEntries") as error:
        publish(make_mirror(), upstream)
    assert error.value.reason == "ObjectsRefused"


@pytest.mark.parametrize("name", [b"..\\up", b"C:\\x", b"-rf", b"a\nb", b"\xff\xfe", b"con", b"a b\t'\"$(id)"], ids=str)
def test_odd_names_are_only_names(
    forger: Forger, upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path, name: bytes
) -> None:
    forger.push(("100644", name, forger.write("blob", b"content")))
    mirror = make_mirror()
    revision = publish(mirror, upstream)
    (path,) = mirror.files(revision)
    for paths in (None, [path]):
        directory = tmp_path / f"tree-{paths is None}"
        directory.mkdir()
        mirror.write_files(revision, directory, paths)
        (written,) = directory.iterdir()
        assert bytes(written).rpartition(b"/")[2] == name
        assert written.read_bytes() == b"content"


def test_names_that_differ_in_case_are_two_files(
    forger: Forger, upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    one, two = forger.write("blob", b"one"), forger.write("blob", b"two")
    forger.push(("100644", b"DAG.py", one), ("100644", b"dag.py", two))
    mirror = make_mirror()
    mirror.write_files(publish(mirror, upstream), tmp_path)
    assert ((tmp_path / "DAG.py").read_bytes(), (tmp_path / "dag.py").read_bytes()) == (b"one", b"two")


CONTENT = b"$Id$ $Format:%H$\r\ntwo\nthree \xff\r\n"


@pytest.mark.parametrize(
    "attributes",
    ["text eol=crlf", "text eol=lf", "text=auto", "crlf", "ident", "filter=evil", "working-tree-encoding=UTF-16LE",
     "export-subst export-ignore", "diff=evil merge=evil", "text eol=crlf ident filter=lfs"],
)  # fmt: skip
@pytest.mark.parametrize("paths", [None, [".gitattributes", "dag"]], ids=["all", "some"])
def test_the_bytes_in_a_tree_are_the_bytes_in_git(
    upstream: Upstream,
    forger: Forger,
    make_mirror: MakeMirror,
    tmp_path: Path,
    attributes: str,
    paths: list[str] | None,
) -> None:
    mirror = make_mirror()
    git(mirror.directory, "config", "filter.evil.smudge", f"touch {tmp_path}/evil; cat")
    declared = f"* {attributes}\n".encode()
    forger.push(
        ("100644", b".gitattributes", forger.write("blob", declared)), ("100644", b"dag", forger.write("blob", CONTENT))
    )
    revision = publish(mirror, upstream)
    (tmp_path / "tree").mkdir()
    mirror.write_files(revision, tmp_path / "tree", paths)
    assert {path.name: path.read_bytes() for path in (tmp_path / "tree").iterdir()} == {
        ".gitattributes": declared, "dag": CONTENT,
    }  # fmt: skip
    assert not (tmp_path / "evil").exists()


def test_modes_are_those_of_git(upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path) -> None:
    (upstream.path / "run.sh").write_text("")
    (upstream.path / "run.sh").chmod(0o755)
    upstream.repo.index.add(["run.sh"])
    upstream.commit(package__dag="one")
    mirror = make_mirror()
    revision = publish(mirror, upstream)
    (tmp_path / "tree").mkdir()
    mirror.write_files(revision, tmp_path / "tree")
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "tree").rglob("*")}
    assert modes == {"run.sh": 0o755, "package": 0o755, "dag": 0o644}


def test_files_are_not_written_through_a_link(
    forger: Forger, upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """The reader's directory has a link where the tree has a directory: the link is replaced, not followed."""
    inner = forger.tree(("100644", b"x", forger.write("blob", b"content")))
    forger.push(("40000", b"package", inner))
    (tmp_path / "outside").mkdir()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "package").symlink_to(tmp_path / "outside")
    mirror = make_mirror()
    mirror.write_files(publish(mirror, upstream), tmp_path / "tree", ["package/x"])
    assert not list((tmp_path / "outside").iterdir())
    assert (tmp_path / "tree" / "package" / "x").read_bytes() == b"content"


def test_a_hook_in_the_store_does_not_run(upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path) -> None:
    mirror = make_mirror()
    (mirror.directory / "hooks").mkdir()
    for name in ("reference-transaction", "post-checkout", "post-index-change", "pre-auto-gc"):
        (mirror.directory / "hooks" / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/evil\n")
        (mirror.directory / "hooks" / name).chmod(0o755)
    upstream.commit(dag="one")
    mirror.write_files(publish(mirror, upstream), tmp_path)
    assert not (tmp_path / "evil").exists()


def test_trees_that_unfold_without_end_are_refused(forger: Forger, upstream: Upstream, make_mirror: MakeMirror) -> None:
    """Ten trees, of ten entries each: ten thousand million files in twelve objects."""
    tree = forger.tree(*(("100644", b"%d" % n, forger.write("blob", b"")) for n in range(10)))
    for _ in range(8):
        tree = forger.tree(*(("40000", b"%d" % n, tree) for n in range(10)))
    forger.push(*(("40000", b"%d" % n, tree) for n in range(10)))
    with pytest.raises(Refused) as error:
        publish(make_mirror(), upstream)
    assert error.value.reason == "TreeTooLarge"


def test_the_size_of_a_huge_file_is_known_before_it_is_written(
    forger: Forger, upstream: Upstream, make_mirror: MakeMirror
) -> None:
    forger.push(("100644", b"huge", forger.write("blob", bytes(32 * 2**20))))
    mirror = make_mirror()
    assert mirror.files(publish(mirror, upstream))["huge"].size == 32 * 2**20
    assert sum(path.stat().st_size for path in mirror.directory.rglob("*")) < 2**20


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("ext::sh -c 'touch EVIL'", "ProtocolRefused", id="command"),
        pytest.param("file:///etc", "ProtocolRefused", id="file-url"),
        pytest.param("/etc", "ProtocolRefused", id="path"),
        pytest.param("ssh://-oProxyCommand=touch${IFS}EVIL/x", "ProtocolRefused", id="ssh-option"),
        pytest.param("-oProxyCommand=touch${IFS}EVIL:x", "ObjectsRefused", id="scp-option"),
        pytest.param("--upload-pack=touch${IFS}EVIL", "ObjectsRefused", id="git-option"),
        pytest.param("https://host/%0aevil/x", "ObjectsRefused", id="line-break"),
    ],
)
def test_addresses_of_submodules_start_no_program_and_read_no_file(
    upstream: Upstream,
    daemon: str,
    make_mirror: MakeMirror,
    tmp_path: Path,
    url: str,
    reason: str,
) -> None:
    evil = tmp_path / "evil"
    (upstream.path / ".gitmodules").write_text(
        f'[submodule "x"]\n path = x\n url = "{url.replace("EVIL", str(evil))}"\n'
    )
    git(upstream.path, "add", ".gitmodules")
    git(upstream.path, "update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},x")
    commit(upstream.path)
    with pytest.raises((Refused, RemoteError)) as error:
        publish(make_mirror(), upstream, daemon)
    assert vars(error.value)["reason"] == reason
    assert not evil.exists()


@pytest.mark.parametrize("name", ["../../hooks", "x/../../y"])
def test_names_of_submodules_lead_nowhere(upstream: Upstream, make_mirror: MakeMirror, name: str) -> None:
    upstream.commit(**{".gitmodules": f'[submodule "{name}"]\n path = x\n url = ../x\n'})
    with pytest.raises(RemoteError, match="gitmodulesName"):
        publish(make_mirror(), upstream)


def test_a_gitmodules_that_is_a_link_is_refused(forger: Forger, upstream: Upstream, make_mirror: MakeMirror) -> None:
    forger.push(("120000", b".gitmodules", forger.write("blob", b"/etc/passwd")))
    with pytest.raises(RemoteError, match="gitmodulesSymlink"):
        publish(make_mirror(), upstream)


def test_includes_in_gitmodules_are_not_followed(upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path) -> None:
    (tmp_path / "included").write_text('[submodule "x"]\n path = x\n url = ../upstream\n')
    git(upstream.path, "update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},x")
    (upstream.path / ".gitmodules").write_text(f"[include]\n path = {tmp_path}/included\n")
    git(upstream.path, "add", ".gitmodules")
    commit(upstream.path)
    with pytest.raises(Refused) as error:
        publish(make_mirror(), upstream)
    assert error.value.reason == "SubmoduleUnknown"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("author a <a@b.c> 0 +5151515151\n", id="time-zone"),
        pytest.param("author a <a@b.c>0 +0000\n", id="space"),
    ],
)
def test_honest_faults_of_old_histories_are_taken(
    forger: Forger, upstream: Upstream, make_mirror: MakeMirror, fault: str
) -> None:
    tree = forger.tree(("100644", b"dag", forger.write("blob", b"one")))
    old = forger.write("commit", f"tree {tree}\n{fault}committer a <a@b.c> 0 +0000\n\nx\n".encode())
    git(upstream.path, "update-ref", "refs/heads/main", old)
    assert publish(make_mirror(), upstream) == old
