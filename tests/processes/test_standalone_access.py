"""The flags for credentials, with real servers. test_remotes.py has the refusals."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import git
import pytest

from tests.processes.servers import Server, git_http, run, sshd
from tests.unit.conftest import AUTHOR
from tests.unit.services import Seen, service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.processes.standalone import Standalone
    from tests.unit.conftest import Upstream

USERS = {"user": "secret", "x-access-token": "ghs_token", "other": "hidden"}


@pytest.fixture
def http(gitsync: Standalone, upstream: Upstream) -> Iterator[Server]:
    doors = {"/upstream": "user", "/app": "x-access-token", "/sub": "other"}
    with git_http(upstream.path.parent, gitsync.directory / "http", USERS, doors=doors, tls=False) as server:
        yield server


def test_a_password(gitsync: Standalone, upstream: Upstream, http: Server) -> None:
    upstream.commit(dag="one")
    option = f"--repo={http.url}/upstream/.git"
    assert gitsync.once(option, "--username=user", env={"GITSYNC_PASSWORD": "wrong"}).returncode == 1
    assert not gitsync.link.exists()
    assert gitsync.once(option, "--username=user", env={"GITSYNC_PASSWORD": "secret"}).returncode == 0
    assert gitsync.read() == "one"


def test_a_password_in_the_address(gitsync: Standalone, upstream: Upstream, http: Server) -> None:
    upstream.commit(dag="one")
    address = f"{http.url}/upstream/.git"
    assert gitsync.once(f"--repo={address.replace('://', '://user:wrong@')}").returncode == 1
    result = gitsync.once(f"--repo={address.replace('://', '://user:secret@')}", env={"GITSYNC_LOG_LEVEL": "DEBUG"})
    assert (result.returncode, gitsync.read()) == (0, "one")
    assert "secret" not in result.stderr


def test_a_password_file_that_changes(gitsync: Standalone, upstream: Upstream, http: Server) -> None:
    """1. Sync. 2. The server wants another password: syncs fail. 3. The file has it: no restart is needed."""
    upstream.commit(dag="one")
    file = gitsync.directory / "password"
    file.write_text("secret\n")
    gitsync.start(f"--repo={http.url}/upstream/.git", "--username=user", f"--password-file={file}", "--max-failures=-1")
    gitsync.shows("one")
    (http.directory / "users").write_text("user:renewed\n")
    upstream.commit(dag="two")
    gitsync.logs("sync.failed")
    assert gitsync.read() == "one"
    file.write_text("renewed\n")
    gitsync.shows("two")


@pytest.mark.parametrize(
    ("answers", "works"),
    [
        pytest.param([(200, "username=user\npassword=secret")], True, id="right"),
        pytest.param([(200, "username=user\npassword=wrong")], False, id="wrong"),
        pytest.param([(200, "username=user\npassword=wrong"), (200, "username=user\npassword=secret")], True,
                     id="sometimes-wrong"),
        pytest.param([(500, ""), (200, "username=user\npassword=secret")], True, id="flaky"),
    ],
)  # fmt: skip
def test_an_askpass_service(
    gitsync: Standalone, upstream: Upstream, http: Server, answers: list[tuple[int, str]], works: bool
) -> None:
    upstream.commit(dag="one")
    asked: list[Seen] = []

    def answer(request: Seen) -> tuple[int, Mapping[str, str], str]:
        asked.append(request)
        status, body = answers[min(len(asked), len(answers)) - 1]
        return status, {}, body

    with service(answer) as url:
        gitsync.start(f"--repo={http.url}/upstream/.git", f"--askpass-url={url}", "--max-failures=-1")
        if works:
            gitsync.shows("one")
        else:
            gitsync.logs("sync.failed")
            assert not gitsync.link.exists()
    assert len(asked) >= len(answers)


def test_an_askpass_service_that_starts_late(gitsync: Standalone, upstream: Upstream, http: Server) -> None:
    upstream.commit(dag="one")
    with service(lambda _: (200, {}, "")) as url:
        pass
    port = int(url.rpartition(":")[2])
    gitsync.start(f"--repo={http.url}/upstream/.git", f"--askpass-url={url}", "--max-failures=-1")
    gitsync.logs("sync.failed")
    with service(lambda _: (200, {}, "username=user\npassword=secret"), port):
        gitsync.shows("one")


@pytest.mark.parametrize("identity", ["--github-app-application-id=1", "--github-app-client-id=Iv1"])
def test_a_github_app(gitsync: Standalone, upstream: Upstream, http: Server, identity: str) -> None:
    upstream.commit(dag="one")
    shutil.copytree(upstream.path, gitsync.directory / "app")
    key = gitsync.directory / "key.pem"
    run("openssl", "genrsa", "-traditional", "-out", str(key), "2048")
    seen: list[Seen] = []

    def answer(request: Seen) -> tuple[int, Mapping[str, str], str]:
        seen.append(request)
        return 201, {}, json.dumps({"token": "ghs_token", "expires_at": "2999-01-01T00:00:00Z"})

    with service(answer) as api:
        result = gitsync.once(
            f"--repo={http.url}/app/.git", identity, "--github-app-installation-id=7", f"--github-base-url={api}/",
            f"--github-app-private-key-file={key}",
        )  # fmt: skip
    assert (result.returncode, gitsync.read()) == (0, "one"), result.stderr
    assert [request.path for request in seen] == ["/app/installations/7/access_tokens"]


def embed(upstream: Upstream, url: str) -> None:
    """A repository ``sub`` beside ``upstream``'s, as its submodule, which readers find at ``url``."""
    directory = upstream.path.with_name("sub")
    with git.Repo.init(directory, initial_branch="main") as sub:
        (directory / "file").write_text("hidden file")
        sub.index.add(["file"])
        sub.index.commit("one", author=AUTHOR, committer=AUTHOR)
    upstream.commit(dag="one")
    upstream.repo.git.execute(
        ["git", "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(directory), "sub"]
    )
    upstream.repo.git.config("--file", ".gitmodules", "submodule.sub.url", url)
    upstream.repo.git.add(".gitmodules")
    upstream.repo.index.commit("embed", author=AUTHOR, committer=AUTHOR)


def test_a_submodule_with_a_password_of_its_own(gitsync: Standalone, upstream: Upstream, http: Server) -> None:
    embed(upstream, f"{http.url}/sub/.git")
    env = {"GITSYNC_PASSWORD": "secret"}
    login = (f"--repo={http.url}/upstream/.git", "--username=user")
    assert gitsync.once(*login, env=env).returncode == 1
    credential = json.dumps({"url": f"{http.url}/sub", "username": "other", "password": "hidden"})
    assert gitsync.once(*login, f"--credential={credential}", env=env).returncode == 0
    assert gitsync.read("sub/file") == "hidden file"


@pytest.fixture
def ssh(gitsync: Standalone) -> Iterator[Server]:
    with sshd(gitsync.directory / "ssh") as server:
        yield server


def test_ssh_with_several_keys(gitsync: Standalone, upstream: Upstream, ssh: Server) -> None:
    """1. The wrong key alone. 2. Both. 3. The variables of older charts, which need no known hosts."""
    upstream.commit(dag="one")
    repo, keys = f"--repo={ssh.url}{upstream.path}", ssh.directory
    known = f"--ssh-known-hosts-file={keys}/known_hosts"
    assert gitsync.once(repo, known, f"--ssh-key-file={keys}/stranger").returncode == 1
    assert not gitsync.link.exists()
    assert gitsync.once(repo, known, f"--ssh-key-file={keys}/stranger", f"--ssh-key-file={keys}/user").returncode == 0
    assert gitsync.read() == "one"
    upstream.commit(dag="two")
    env = {"GIT_SSH_KEY_FILE": f"{keys}/user", "GIT_KNOWN_HOSTS": "false", "GIT_SYNC_SSH": "true"}
    assert gitsync.once(repo, env=env).returncode == 0
    assert gitsync.read() == "two"


def test_a_submodule_with_a_key_of_its_own(gitsync: Standalone, upstream: Upstream, ssh: Server) -> None:
    with sshd(gitsync.directory / "ssh2") as second:
        embed(upstream, f"{second.url}{upstream.path.with_name('sub')}")
        known = gitsync.directory / "known_hosts"
        known.write_text("".join((server.directory / "known_hosts").read_text() for server in (ssh, second)))
        login = [f"--repo={ssh.url}{upstream.path}", f"--ssh-known-hosts-file={known}"]
        login.append(f"--ssh-key-file={ssh.directory}/user")
        assert gitsync.once(*login).returncode == 1
        assert gitsync.once(*login, f"--ssh-key-file={second.directory}/user").returncode == 0
    assert gitsync.read("sub/file") == "hidden file"


def test_an_unknown_host_is_not_trusted(gitsync: Standalone, upstream: Upstream, ssh: Server) -> None:
    upstream.commit(dag="one")
    result = gitsync.once(f"--repo={ssh.url}{upstream.path}", f"--ssh-key-file={ssh.directory}/user")
    assert (result.returncode, "host key" in result.stderr) == (1, True)
