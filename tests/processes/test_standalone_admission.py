"""`gitsync once` publishes no tree that breaks the policy, and no unsigned commit if told so. git-sync's flags do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.processes.servers import make_key
from tests.processes.signing import Authors, Gpg
from tests.processes.stranger import a_stranger

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.standalone import Standalone
    from tests.unit.conftest import Upstream


def once(upstream: Upstream, root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gitsync", "once", f"--repo={upstream.path}", f"--root={root}", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def push_link(upstream: Upstream, target: str) -> str:
    (upstream.path / "link").symlink_to(target)
    upstream.repo.index.add(["link"])
    return upstream.commit(dag="two")


@pytest.mark.parametrize("options", [(), ("--tree={}",), ('--tree={"symlinks": "refuse"}',)])
def test_a_link_out_of_the_tree_is_refused(upstream: Upstream, tmp_path: Path, options: tuple[str, ...]) -> None:
    first = upstream.commit(dag="one")
    assert once(upstream, tmp_path / "root").returncode == 0
    push_link(upstream, "/etc/passwd")
    refused = once(upstream, tmp_path / "root", *options)
    assert refused.returncode == 1
    assert "'link' is a symbolic link" in refused.stderr
    assert (tmp_path / "root" / "current").readlink().name == first


def test_a_policy_that_is_off(upstream: Upstream, tmp_path: Path) -> None:
    revision = push_link(upstream, "/etc/passwd")
    assert once(upstream, tmp_path / "root", "--tree=off").stdout.strip() == revision


def test_with_git_syncs_flags_the_policy_is_off_unless_given(gitsync: Standalone, upstream: Upstream) -> None:
    first = push_link(upstream, "/etc/passwd")
    assert gitsync.once().returncode == 0
    assert gitsync.revision == first
    upstream.commit(dag="three")
    refused = gitsync.once("--tree={}")
    assert (refused.returncode, gitsync.revision) == (1, first)
    assert "leads out of the tree" in refused.stderr


def test_an_unsigned_commit_is_refused(upstream: Upstream, tmp_path: Path) -> None:
    key = tmp_path / "alice"
    make_key(key)
    signers = tmp_path / "signers"
    signers.write_text(f"alice@example.org {key.with_name('alice.pub').read_text()}")
    wanted = f"--signatures={json.dumps({'mode': 'commit', 'ssh_allowed_signers': str(signers)})}"
    authors = Authors(upstream, Gpg(tmp_path))
    signed = authors.commit(key)
    assert once(upstream, tmp_path / "root", wanted).stdout.strip() == signed
    authors.commit(None)
    refused = once(upstream, tmp_path / "root", wanted)
    assert refused.returncode == 1
    assert "is not signed" in refused.stderr
    assert (tmp_path / "root" / "current").readlink().name == signed


def test_a_signed_commit_under_a_uid_without_a_name(upstream: Upstream, tmp_path: Path) -> None:
    """ssh-keygen checks nothing for such a uid. The message says so, and does not call the commit unsigned."""
    key = tmp_path / "alice"
    make_key(key)
    Authors(upstream, Gpg(tmp_path)).commit(key)
    with a_stranger() as stranger:
        signers = stranger.directory / "signers"
        signers.write_text(f"alice@example.org {key.with_name('alice.pub').read_text()}")
        refused = stranger.once(
            f"--repo=file://{stranger.repository(upstream.path)}", "--git-config=safe.directory:*",
            f"--signatures={json.dumps({'mode': 'commit', 'ssh_allowed_signers': str(signers)})}",
        )  # fmt: skip
    assert refused.returncode == 1
    assert "No user exists for uid" in refused.stderr
    assert "--add-user" in refused.stderr
    assert "is not signed" not in refused.stderr


def test_a_live_tree_comes_back_from_the_store_while_the_remote_is_down(upstream: Upstream, tmp_path: Path) -> None:
    revision, root = upstream.commit(dag="one"), tmp_path / "root"
    assert once(upstream, root).returncode == 0
    upstream.path.rename(tmp_path / "away")
    shutil.rmtree(root / "revisions" / revision)
    down = once(upstream, root)
    assert down.returncode == 1
    assert str(upstream.path) in down.stderr
    assert (root / "current" / "dag").read_text() == "one"


def test_an_empty_directory_is_no_tree(upstream: Upstream, tmp_path: Path) -> None:
    revision, root = upstream.commit(dag="one"), tmp_path / "root"
    (root / "revisions" / revision).mkdir(parents=True)
    assert once(upstream, root).returncode == 0
    assert (root / "current" / "dag").read_text() == "one"


def test_a_file_that_was_cut_short_is_mended(upstream: Upstream, tmp_path: Path) -> None:
    root = tmp_path / "root"
    upstream.commit(dag="one")
    assert once(upstream, root).returncode == 0
    with (root / "current" / "dag").open("r+") as file:
        file.truncate(1)
    assert once(upstream, root).returncode == 0
    assert (root / "current" / "dag").read_text() == "one"
