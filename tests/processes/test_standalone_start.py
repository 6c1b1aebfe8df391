"""Starting stand-alone mode: valid roots, files that it leaves alone, and the name of its link."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hack.lab.node.prerequisites import install_missing
from tests.processes.standalone import GITSYNC
from tests.processes.stranger import a_stranger

if TYPE_CHECKING:
    from tests.processes.standalone import Standalone
    from tests.unit.conftest import Upstream


def run(*argv: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [*GITSYNC, *argv]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("root", ["missing", "empty", "weird", "symlink"])
def test_roots(gitsync: Standalone, upstream: Upstream, tmp_path: Path, root: str) -> None:
    revision = upstream.commit(dag="one")
    (tmp_path / "empty").mkdir()
    (tmp_path / "symlink").symlink_to(tmp_path / "empty")
    path = {"weird": f"{tmp_path}/empty/../../{tmp_path.name}/empty"}.get(root, str(tmp_path / root))
    result = gitsync.once(f"--root={path}")
    assert (result.returncode, result.stdout.strip()) == (0, revision)
    assert (Path(path) / "link" / "dag").read_text() == "one"


def test_a_root_inside_another_repository_keeps_what_is_not_ours(gitsync: Standalone, upstream: Upstream) -> None:
    """1. The root lies in a work tree and holds a file. 2. Sync. 3. The file is there still: a wrong --root must not
    cost anyone their files."""
    upstream.commit(dag="one")
    gitsync.root.mkdir()
    subprocess.run(["git", "init", "-q", str(gitsync.directory)], check=True)
    (gitsync.root / "file").write_text("mine")
    assert gitsync.once().returncode == 0
    assert gitsync.read() == "one"
    assert (gitsync.root / "file").read_text() == "mine"


def test_a_root_with_a_broken_repository_of_upstream(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    subprocess.run(["git", "init", "-q", str(gitsync.root)], check=True)
    (gitsync.root / ".git" / "HEAD").write_text("ref: refs/heads/nonexist\n")
    assert gitsync.once().returncode == 0
    assert gitsync.read() == "one"


def test_a_volume_that_upstream_has_written(gitsync: Standalone, upstream: Upstream) -> None:
    """A chart's volume survives the change of image: the link moves from upstream's tree to ours in one step."""
    revision = upstream.commit(dag="two")
    former = gitsync.root / ".worktrees" / ("a" * 40)
    former.mkdir(parents=True)
    (former / "dag").write_text("one")
    gitsync.link.symlink_to(Path(".worktrees") / former.name)
    assert gitsync.once().returncode == 0
    assert (gitsync.read(), gitsync.revision) == ("two", revision)


def test_variables_alone_are_enough(upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit(dag="one")
    env = {"GIT_SYNC_REPO": str(upstream.path), "GITSYNC_ROOT": str(tmp_path / "r"), "GIT_SYNC_ONE_TIME": "true"}
    assert run(env=env).returncode == 0
    assert (tmp_path / "r" / upstream.path.name / "dag").read_text() == "one", "the link is the repository's last part"
    assert (tmp_path / "r" / "current" / "dag").read_text() == "one"


def test_commands_make_no_link_but_their_own(upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit(dag="one")
    assert run("once", f"--repo={upstream.path}", f"--root={tmp_path}/r", env={}).returncode == 0
    assert {path.name for path in (tmp_path / "r").iterdir() if not path.name.startswith(".")} == {
        "current",
        "revisions",
    }


def test_a_link_below_the_root(gitsync: Standalone, upstream: Upstream) -> None:
    revision = upstream.commit(dag="one")
    assert gitsync.once("--link=other/dir/link").returncode == 0
    link = gitsync.root / "other" / "dir" / "link"
    assert (link / "dag").read_text() == "one"
    assert str(link.readlink()) == f"../../revisions/{revision}"


def test_an_absolute_link(gitsync: Standalone, upstream: Upstream, tmp_path: Path) -> None:
    revision = upstream.commit(dag="one")
    link = tmp_path / "other" / "dir" / "link"
    assert gitsync.once(f"--link={link}").returncode == 0
    assert (link / "dag").read_text() == "one"
    assert (link.readlink().is_absolute(), link.readlink().name) == (False, revision)
    assert not (gitsync.root / "link").exists()


def test_a_directory_in_the_links_place_is_left_alone(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    gitsync.link.mkdir(parents=True)
    (gitsync.link / "file").write_text("mine")
    result = gitsync.once()
    assert result.returncode == 1
    assert f"{gitsync.link} is not a symbolic link" in result.stderr
    assert (gitsync.link / "file").read_text() == "mine"


def test_two_processes_on_one_root(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    gitsync.start()
    gitsync.shows("one")
    result = gitsync.once()
    assert result.returncode == 1
    assert "another gitsync writes" in result.stderr


def test_a_root_that_cannot_be_written_is_named(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    gitsync.root.write_text("a file")
    result = gitsync.once()
    assert result.returncode == 1
    assert f"cannot write below {gitsync.root}" in result.stderr


def test_the_group_may_write(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    gitsync.once("--group-write")
    assert gitsync.root.stat().st_mode & 0o020
    assert (gitsync.root / ".repository").stat().st_mode & 0o020


def test_a_name_for_a_user_without_one(tmp_path: Path) -> None:
    """A process of a uid that nobody knows adds a line for it; one whose uid has a name adds none."""
    passwd = tmp_path / "passwd"
    passwd.touch(0o666)
    passwd.chmod(0o666)
    script = "import os, sys, pathlib, gitsync.standalone.user as user; os.setuid(int(sys.argv[2]));"
    script += "user.add_user(pathlib.Path('/nowhere'), pathlib.Path(f'/proc/self/fd/{sys.argv[1]}'))"
    with passwd.open("a") as file:
        for uid in (54321, os.getuid()):
            command = [sys.executable, "-c", script, str(file.fileno()), str(uid)]
            subprocess.run(command, check=True, pass_fds=[file.fileno()], env={**os.environ, "HOME": "/nowhere"})
    assert passwd.read_text() == "git-sync:x:54321:0::/nowhere:/sbin/nologin\n"


def test_a_name_where_the_file_of_users_is_read_only(upstream: Upstream) -> None:
    """1. Sync under a uid without a name, with a hook that asks for the name. 2. The hook has been told a name, as the
    SSH client will be, and /etc/passwd has not changed."""
    install_missing({f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/libnss_wrapper.so": "libnss-wrapper"})
    upstream.commit(dag="one")
    before = Path("/etc/passwd").read_text()
    with a_stranger() as stranger:
        hook = stranger.script(f"id -un > {stranger.root}/name; ssh -G git.example.org > {stranger.root}/ssh")
        options = [f"--repo=file://{stranger.repository(upstream.path)}", "--git-config=safe.directory:*"]
        result = stranger.once(*options, "--add-user", f"--exechook-command={hook}")
        assert result.returncode == 0, result.stderr
        assert (stranger.root / "name").read_text() == "git-sync\n"
        assert "user git-sync" in (stranger.root / "ssh").read_text().splitlines()
    assert Path("/etc/passwd").read_text() == before


def test_a_repository_of_another_owner(upstream: Upstream) -> None:
    """Git refuses a local repository of another user until `safe.directory` names it; the message says so."""
    revision = upstream.commit(dag="one")
    with a_stranger() as stranger:
        repo = stranger.repository(upstream.path)
        refused = stranger.once(f"--repo=file://{repo}")
        assert refused.returncode == 1
        assert "belongs to another user" in refused.stderr
        assert "safe.directory" in refused.stderr
        allowed = stranger.once(
            f"--repo=file://{repo}", "--git-config=safe.directory:/elsewhere", f"--git-config-add=safe.directory:{repo}"
        )
        assert (allowed.returncode, allowed.stdout.strip()) == (0, revision), allowed.stderr


def test_ssh_under_a_uid_without_a_name() -> None:
    """The SSH client ends before it connects. Its reason is in the message, with the cure."""
    install_missing({"ssh": "openssh-client"})
    with a_stranger() as stranger:
        result = stranger.once("--repo=ssh://git@127.0.0.1/dags.git", "--ssh-known-hosts=false")
        assert result.returncode == 1
        assert "No user exists for uid" in result.stderr
        assert "give --add-user" in result.stderr


def test_no_place_for_temporary_files_is_needed(gitsync: Standalone, upstream: Upstream) -> None:
    """Only the root is writable, as with `readOnlyRootFilesystem` and one volume. Also the check of the tree, in a
    child process, and a hook find a place for temporary files; nothing of it stays when there is /tmp again."""
    revision = upstream.commit(dag="one")
    gitsync.root.mkdir()
    hook = gitsync.script("hook", "mktemp || exit 1")
    options = (f"--repo={upstream.path.as_uri()}", f"--root={gitsync.root}", f"--exechook-command={hook}", "--tree={}")
    result = read_only_but(gitsync.root, *GITSYNC, "--one-time", "--link=link", *options)
    assert (result.returncode, result.stdout.strip()) == (0, revision), result.stderr
    assert gitsync.read() == "one"
    assert gitsync.once().returncode == 0
    assert not (gitsync.root / ".gitsync.scratch").exists()


def read_only_but(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run ``command`` where every mounted file system is read-only, but not ``directory``."""
    script = """
    mount --bind "$0" "$0"
    findmnt --noheadings --raw --output TARGET --types nosysfs,noproc,nocgroup,nocgroup2 | grep -vxF "$0" |
      while read -r mounted; do mount -o remount,bind,ro "$mounted" || true; done
    ! touch /tmp/file /var/tmp/file 2> /dev/null || exit 3
    cd / && exec "$@"
    """
    namespace = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(directory))
    env = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    return subprocess.run([*namespace, *command], env=env, capture_output=True, text=True, check=False, timeout=60)
