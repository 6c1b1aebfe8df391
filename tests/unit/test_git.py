"""Fetching and writing trees with real repositories, and the messages of failures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitsync.access.credentials import Credentials
from gitsync.errors import Refused, RemoteError, StoreError
from gitsync.git.clone import Clone
from gitsync.git.command import CommandFailed
from gitsync.git.mirror import Mirror
from gitsync.git.remote import Remote, explained

if TYPE_CHECKING:
    from tests.unit.conftest import Upstream


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = Mirror(tmp_path / "mirror.git")
    mirror.prepare()
    return mirror


def remote(upstream: Upstream) -> Remote:
    return Remote(str(upstream.path))


def test_the_branch_is_followed_both_ways(upstream: Upstream, mirror: Mirror) -> None:
    first = upstream.commit(dag="one")
    second = upstream.commit(dag="two")
    assert mirror.fetch(remote(upstream), "main") == second
    upstream.repo.git.reset("--hard", first)
    assert mirror.fetch(remote(upstream), "main") == first
    assert mirror.has(second), "a revision that was published may still be needed after a force-push"


@pytest.mark.parametrize("depth", [0, 1])
def test_branch_tag_and_full_revision(upstream: Upstream, tmp_path: Path, depth: int) -> None:
    mirror = Mirror(tmp_path / "mirror.git", clone=Clone(depth=depth))
    mirror.prepare()
    first = upstream.commit(dag="one")
    upstream.repo.create_tag("v1", message="annotated")
    second = upstream.commit(dag="two")
    assert mirror.fetch(remote(upstream), "v1") == first
    assert mirror.fetch(remote(upstream), "HEAD") == second
    assert mirror.fetch(remote(upstream), first) == first


def test_a_tree_is_one_whole_commit(upstream: Upstream, mirror: Mirror, tmp_path: Path) -> None:
    first = upstream.commit(dag="one", old="old")
    second = upstream.commit(dag="two", old=None, package__module="new")
    mirror.fetch(remote(upstream), "main")
    for revision, files in ((first, {"dag": "one", "old": "old"}), (second, {"dag": "two", "package/module": "new"})):
        mirror.export(revision, str(upstream.path))
        tree = tmp_path / revision
        tree.mkdir()
        mirror.write_files(revision, tree)
        found = {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}
        assert found == files


def test_a_damaged_repository_is_made_anew(upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dag="one")
    mirror.fetch(remote(upstream), "main")
    (mirror.directory / "HEAD").write_text("nonsense")
    mirror.prepare()
    assert mirror.fetch(remote(upstream), "main") == revision


def test_a_lock_left_by_a_dead_process_is_removed(upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dag="one")
    for name in ("shallow.lock", "HEAD.lock", "packed-refs.lock"):
        (mirror.directory / name).touch()
    mirror.prepare()
    assert mirror.fetch(remote(upstream), "main") == revision


@pytest.mark.parametrize(
    ("ref", "path", "reason"),
    [
        pytest.param("nope", "upstream", "RefNotFound", id="branch"),
        pytest.param("a" * 40, "upstream", "RefNotFound", id="revision"),
        pytest.param("main", "elsewhere", "RepositoryNotFound", id="repository"),
    ],
)
def test_what_does_not_exist_is_named(
    upstream: Upstream, mirror: Mirror, tmp_path: Path, ref: str, path: str, reason: str
) -> None:
    upstream.commit(dag="one")
    with pytest.raises(RemoteError, match=f"{ref}|{path}") as error:
        mirror.fetch(Remote(str(tmp_path / path)), ref)
    assert error.value.reason == reason


def test_a_missing_subdirectory_is_named(upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dags__dag="one")
    mirror.fetch(remote(upstream), "main")
    mirror.export(revision, str(upstream.path))
    mirror.require_directory(revision, "")
    mirror.require_directory(revision, "dags")
    with pytest.raises(Refused, match="'dags/dag'"):
        mirror.require_directory(revision, "dags/dag")


def test_a_command_helper_as_remote_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(RemoteError) as error:
        mirror.fetch(Remote(f"ext::touch {tmp_path}/evil"), "main")
    assert error.value.reason == "ProtocolRefused"
    assert not (tmp_path / "evil").exists()


def test_a_hanging_remote_is_killed_with_all_it_started(mirror: Mirror, tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\nsleep 1000 & echo $! > {tmp_path}/pid\nwait\n")
    ssh.chmod(0o755)
    impatient = Mirror(mirror.directory, timeout=1)
    with pytest.raises(RemoteError) as error:
        impatient.fetch(Remote("ssh://host/repo", env={"GIT_SSH": str(ssh)}), "main")
    assert error.value.reason == "TimedOut"
    deadline = time.monotonic() + 60  # a killed process may take a moment to be gone
    while is_running((tmp_path / "pid").read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: str) -> bool:
    """Whether the process runs; one that was killed may stay as a zombie where nobody reaps orphans."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (
            "git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            "AuthenticationFailed",
        ),
        ("Host key verification failed.\nfatal: Could not read", "HostKeyUnknown"),
        ("fatal: Authentication failed for 'https://host/x'", "AuthenticationFailed"),
        ("fatal: unable to access 'https://host/x': Could not resolve host: host", "HostUnreachable"),
        ("fatal: something new", "FetchFailed"),
    ],
)
def test_git_errors_say_what_to_do(stderr: str, reason: str) -> None:
    error = explained(CommandFailed("fetch", stderr), "https://user:secret@host/x", "main")
    assert isinstance(error, RemoteError)
    assert error.reason == reason
    assert "secret" not in str(error)


def test_a_full_disk_is_not_the_remotes_fault() -> None:
    error = explained(CommandFailed("fetch", "fatal: write error: No space left on device"), "https://host/x", "main")
    assert isinstance(error, StoreError)


def test_passwords_stay_out_of_arguments_and_are_read_anew(tmp_path: Path) -> None:
    password = tmp_path / "password"
    credentials = Credentials(password_file=password)
    for secret in ("a\"b'c/d\\e@:#%? $x", "rotated"):
        password.write_text(f"{secret}\n")
        remote = credentials.remote("https://host/x", main="https://host/x")
        assert remote.env["GITSYNC_PASSWORD"] == secret
        assert secret not in " ".join([remote.url, *remote.config.values()])


def test_a_missing_key_file_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=f"{tmp_path}/key"):
        Credentials(ssh_key_files=(tmp_path / "key",)).remote("git@host:repo", main="git@host:repo")
