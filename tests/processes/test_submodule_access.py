"""Submodules on real servers, each with credentials of its own, which no other host gets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import git
import pytest

from gitsync.access.credentials import Credentials
from gitsync.access.login import UrlAccess
from gitsync.errors import GitSyncError, Refused, RemoteError
from gitsync.git.clone import Clone
from gitsync.git.mirror import Mirror
from tests.processes.servers import git_http, make_key, sshd
from tests.unit.conftest import AUTHOR, Upstream
from tests.unit.services import Seen, service
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

NAMES = ("one", "two")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = Mirror(tmp_path / "mirror.git", timeout=PATIENCE)
    mirror.prepare()
    return mirror


@pytest.fixture
def libraries(tmp_path: Path) -> dict[str, str]:
    """The head of each library, which is a repository below ``libraries``."""
    heads = {}
    for name in NAMES:
        with git.Repo.init(tmp_path / "libraries" / name, initial_branch="main") as repo:
            heads[name] = Upstream(repo, tmp_path / "libraries" / name).commit(**{f"{name}.py": name})
    return heads


def embed(upstream: Upstream, libraries: Mapping[str, str], address: Callable[[str], str]) -> str:
    """Commit the libraries as submodules of these names at these addresses."""
    modules = "".join(f'[submodule "{name}"]\n\tpath = {name}\n\turl = {address(name)}\n' for name in libraries)
    for name, head in libraries.items():
        upstream.repo.git.update_index("--add", "--cacheinfo", f"160000,{head},{name}")
    (upstream.path / ".gitmodules").write_text(modules)
    upstream.repo.git.add(".gitmodules")
    upstream.repo.git.execute(
        ["git", "-c", f"user.name={AUTHOR.name}", "-c", f"user.email={AUTHOR.email}", "commit", "--message", "embed"]
    )
    return upstream.repo.head.commit.hexsha


def files(mirror: Mirror, credentials: Credentials, main: str) -> set[str]:
    remote = partial(credentials.remote, main=main)
    revision = mirror.fetch(remote(main), "main")
    mirror.export(revision, main, remote)
    return set(mirror.files(revision)) - {".gitmodules"}


@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_a_password_for_each_submodule(
    upstream: Upstream, libraries: dict[str, str], mirror: Mirror, tmp_path: Path, relative: bool
) -> None:
    """1. All passwords are right. 2. One of them is another's: refused, and the submodule is named."""
    doors = {"/upstream": "main", "/libraries/one": "one", "/libraries/two": "two"}
    users = {"main": "0", "one": "1", "two": "2"}
    with git_http(tmp_path, tmp_path / "http", users, doors=doors, tls=False) as server:
        base = "../.." if relative else server.url
        embed(upstream, libraries, lambda name: f"{base}/libraries/{name}/.git")
        main = f"{server.url}/upstream/.git"

        def credentials(second: str) -> Credentials:
            folders = {"one": "1", "two": second}
            urls = tuple(
                UrlAccess(url=f"{server.url}/libraries/{name}", username=name, password=password)
                for name, password in folders.items()
            )
            return Credentials(username="main", password="0", urls=urls)

        with pytest.raises(RemoteError, match="submodule 'two'") as error:
            files(mirror, credentials("1"), main)
        assert error.value.reason == "AuthenticationFailed"
        assert files(mirror, credentials("2"), main) == {"one/one.py", "two/two.py"}


def test_a_key_for_each_submodule(
    upstream: Upstream, libraries: dict[str, str], mirror: Mirror, tmp_path: Path
) -> None:
    """As a host's deploy keys: each key opens one repository, whatever is asked for."""
    with sshd(tmp_path / "ssh") as server:
        keys, places = (
            server.directory,
            {"main": upstream.path, **{name: tmp_path / "libraries" / name for name in NAMES}},
        )
        lines = []
        for name, place in places.items():
            make_key(keys / name)
            lines.append(f'command="git-upload-pack {place}" {(keys / f"{name}.pub").read_text()}')
            (keys / f"{name}.pub").unlink()
        (keys / "authorized_keys").write_text("".join(lines))
        embed(upstream, libraries, lambda name: f"{server.url}/libraries/{name}.git")
        urls = tuple(UrlAccess(url=f"{server.url}/libraries/{name}", ssh_key_files=(keys / name,)) for name in NAMES)
        credentials = Credentials(ssh_key_files=(keys / "main",), known_hosts_files=(keys / "known_hosts",), urls=urls)
        assert files(mirror, credentials, f"{server.url}/dags") == {"one/one.py", "two/two.py"}


def test_a_submodule_elsewhere_is_shown_no_password(
    upstream: Upstream, libraries: dict[str, str], mirror: Mirror, tmp_path: Path
) -> None:
    seen: list[Seen] = []

    def thief(request: Seen) -> tuple[int, Mapping[str, str], str]:
        seen.append(request)
        return 401, {"WWW-Authenticate": 'Basic realm="git"'}, ""

    with (
        service(thief) as elsewhere,
        git_http(tmp_path, tmp_path / "http", {"git": "secret"}, doors={"": "git"}, tls=False) as server,
    ):
        embed(upstream, libraries, lambda name: f"{elsewhere}/{name}")
        with pytest.raises(RemoteError, match="submodule 'one'") as error:
            files(mirror, Credentials(password="secret"), f"{server.url}/upstream/.git")
    assert error.value.reason == "AuthenticationFailed"
    assert seen
    assert not [request for request in seen if "Authorization" in request.headers]


def test_submodules_on_the_same_host_need_no_password_of_their_own(
    upstream: Upstream, libraries: dict[str, str], mirror: Mirror, tmp_path: Path
) -> None:
    with git_http(tmp_path, tmp_path / "http", {"git": "secret"}, doors={"": "git"}, tls=False) as server:
        embed(upstream, libraries, lambda name: f"../../libraries/{name}/.git")
        credentials = Credentials(password="secret")
        assert files(mirror, credentials, f"{server.url}/upstream/.git") == {"one/one.py", "two/two.py"}


def test_a_submodule_is_asked_for_only_where_it_may_be(
    upstream: Upstream, libraries: dict[str, str], mirror: Mirror, tmp_path: Path
) -> None:
    """1. Below an allowed folder. 2. Elsewhere: refused, and that host gets no request, for a known commit neither."""
    seen: list[Seen] = []

    def inside(request: Seen) -> tuple[int, Mapping[str, str], str]:
        seen.append(request)
        return 404, {}, ""

    with (
        service(inside) as metadata,
        git_http(tmp_path, tmp_path / "http", {"git": "secret"}, doors={"": "git"}, tls=False) as server,
    ):
        mirror.clone = Clone(submodules_within=(f"{server.url}/libraries",))
        main, credentials = f"{server.url}/upstream/.git", Credentials(password="secret")
        embed(upstream, libraries, lambda name: f"{server.url}/libraries/{name}/.git")
        assert files(mirror, credentials, main) == {"one/one.py", "two/two.py"}
        embed(upstream, libraries, lambda name: f"{metadata}/{name}")
        with pytest.raises(Refused, match="submodule 'one'") as error:
            files(mirror, credentials, main)
    assert error.value.reason == "SubmoduleElsewhere"
    assert not seen


@pytest.mark.parametrize("url", ["http://[x/lib", "https://[::1/lib", "ssh://host:port/lib"])
def test_a_submodules_address_that_cannot_be_read_is_an_error_with_its_name(
    upstream: Upstream, libraries: dict[str, str], mirror: Mirror, tmp_path: Path, url: str
) -> None:
    embed(upstream, libraries, lambda _name: url)
    with pytest.raises(GitSyncError, match="submodule 'one'"):
        files(mirror, Credentials(), str(upstream.path))
