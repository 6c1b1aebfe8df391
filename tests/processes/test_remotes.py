"""Fetching from real servers: OpenSSH's sshd, and Git's smart HTTP with TLS, passwords, cookies and a proxy."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from gitsync.access.credentials import Credentials
from gitsync.access.login import UrlAccess
from gitsync.errors import RemoteError
from gitsync.git.mirror import Mirror
from tests.processes.servers import Server, forward_proxy, git_http, make_certificate, make_key, sshd
from tests.unit.mirrors import here
from tests.unit.services import Seen, service
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.unit.conftest import Upstream

PASSWORD = "a\"b'c\\d@%? $x"


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = Mirror(tmp_path / "mirror.git", timeout=PATIENCE)
    mirror.prepare()
    return mirror


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[Server]:
    with sshd(tmp_path / "ssh") as server:
        yield server


@pytest.fixture
def https(upstream: Upstream, tmp_path: Path) -> Iterator[Server]:
    users = {"git": PASSWORD}
    with git_http(upstream.path.parent, tmp_path / "https", users, doors={"": "git"}, tls=True) as server:
        yield server


def reason(mirror: Mirror, credentials: Credentials, url: str) -> str:
    with pytest.raises(RemoteError) as error:
        mirror.fetch(here(credentials, url), "main")
    assert PASSWORD not in str(error.value)
    return error.value.reason


def test_ssh_with_a_key_and_a_known_host(ssh: Server, upstream: Upstream, mirror: Mirror) -> None:
    """1. A fetch. 2. The host accepts another key only: refused. 3. The mounted key is that one: a fetch."""
    revision, keys, url = upstream.commit(dag="one"), ssh.directory, f"{ssh.url}{upstream.path}"
    credentials = Credentials(ssh_key_files=(keys / "user",), known_hosts_files=(keys / "known_hosts",))
    assert mirror.fetch(here(credentials, url), "main") == revision
    make_key(keys / "rotated")
    shutil.copy(keys / "rotated.pub", keys / "authorized_keys")
    assert reason(mirror, credentials, url) == "AuthenticationFailed"
    shutil.copy(keys / "rotated", keys / "user")
    assert mirror.fetch(here(credentials, url), "main") == revision, "a rotated key is used at the next fetch"


def test_ssh_with_several_keys_and_several_files_of_known_hosts(
    ssh: Server, upstream: Upstream, mirror: Mirror
) -> None:
    revision, keys = upstream.commit(dag="one"), ssh.directory
    (keys / "other known_hosts").write_text(f"git.example.org {(keys / 'stranger.pub').read_text()}")
    credentials = Credentials(
        ssh_key_files=(keys / "stranger", keys / "user"),
        known_hosts_files=(keys / "other known_hosts", keys / "known_hosts"),
    )
    assert mirror.fetch(here(credentials, f"{ssh.url}{upstream.path}"), "main") == revision


@pytest.mark.parametrize(
    ("key", "known", "expected"),
    [
        pytest.param("stranger", "known_hosts", "AuthenticationFailed", id="wrong-key"),
        pytest.param("user", "nothing", "HostKeyUnknown", id="unknown-host"),
        pytest.param("user", "another", "HostKeyChanged", id="changed-host-key"),
        pytest.param("user", "missing", "CredentialsUnreadable", id="no-such-file"),
    ],
)
def test_ssh_refusals_are_named(
    ssh: Server, upstream: Upstream, mirror: Mirror, key: str, known: str, expected: str
) -> None:
    upstream.commit(dag="one")
    keys = ssh.directory
    (keys / "nothing").touch()
    host = (keys / "known_hosts").read_text().split()[0]
    (keys / "another").write_text(f"{host} {(keys / 'stranger.pub').read_text()}")
    credentials = Credentials(ssh_key_files=(keys / key,), known_hosts_files=(keys / known,))
    assert reason(mirror, credentials, f"{ssh.url}{upstream.path}") == expected


def test_host_keys_are_not_checked_only_where_a_person_says_so(ssh: Server, upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dag="one")
    keys, url = ssh.directory, f"{ssh.url}{upstream.path}"
    assert reason(mirror, Credentials(ssh_key_files=(keys / "user",)), url) == "HostKeyUnknown"
    careless = Credentials(ssh_key_files=(keys / "user",), strict_host_key=False)
    assert mirror.fetch(here(careless, url), "main") == revision


def trusting(server: Server, password: Path | None = None) -> Credentials:
    return Credentials(ca_file=server.directory / "certificate.pem", password_file=password)


def test_https_with_a_password_that_rotates(https: Server, upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dag="one")
    password, url = https.directory / "password", f"{https.url}/upstream/.git"
    credentials = trusting(https, password)
    password.write_text(f"{PASSWORD}\n")
    assert mirror.fetch(here(credentials, url), "main") == revision
    (https.directory / "users").write_text("git:rotated")
    assert reason(mirror, credentials, url) == "AuthenticationFailed"
    password.write_text("rotated")
    assert mirror.fetch(here(credentials, url), "main") == revision


def test_https_refusals_are_named(https: Server, mirror: Mirror) -> None:
    url, password = f"{https.url}/upstream/.git", https.directory / "password"
    assert reason(mirror, trusting(https), url) == "AuthenticationFailed"
    password.write_text(PASSWORD)
    assert reason(mirror, trusting(https, password), f"{https.url}/nowhere") == "RepositoryNotFound"


def test_https_trusts_only_the_authorities_it_is_told(https: Server, mirror: Mirror, tmp_path: Path) -> None:
    url = f"{https.url}/upstream/.git"
    assert reason(mirror, Credentials(), url) == "CertificateRefused"
    assert reason(mirror, Credentials(ca_file=make_certificate(tmp_path)), url) == "CertificateRefused"
    assert reason(mirror, Credentials(ca_file=tmp_path / "missing"), url) == "CredentialsUnreadable"


def test_a_password_in_the_address_leaves_it(https: Server, upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dag="one")
    quoted = "a%22b%27c%5Cd%40%25%3F%20%24x"
    remote = here(trusting(https), f"{https.url.replace('://', f'://git:{quoted}@')}/upstream/.git")
    assert remote.url == f"{https.url}/upstream/.git"
    assert mirror.fetch(remote, "main") == revision


def test_a_cookie_file(upstream: Upstream, mirror: Mirror, tmp_path: Path) -> None:
    revision, cookies = upstream.commit(dag="one"), tmp_path / "cookies"
    extra = '$HTTP["cookie"] !~ "session=sesame" { url.access-deny = ("") }'
    with git_http(tmp_path, tmp_path / "http", {}, doors={}, tls=False, extra=extra) as server:
        url, credentials = f"{server.url}/upstream/.git", Credentials(cookie_file=cookies)
        assert reason(mirror, credentials, url) == "CredentialsUnreadable"
        for value, accepted in (("wrong", False), ("sesame", True)):
            cookies.write_text(f"127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{value}\n")
            if accepted:
                assert mirror.fetch(here(credentials, url), "main") == revision
            else:
                assert reason(mirror, credentials, url) == "AuthenticationFailed"


def test_a_proxy_with_a_password(https: Server, upstream: Upstream, mirror: Mirror, tmp_path: Path) -> None:
    """1. Through the proxy. 2. With a wrong password: refused, not named. 3. Past it, by `no_proxy`."""
    revision, password = upstream.commit(dag="one"), https.directory / "password"
    password.write_text(PASSWORD)
    url, authority = f"{https.url}/upstream/.git", https.directory / "certificate.pem"
    with forward_proxy(tmp_path / "proxy", "me secret") as proxy:

        def through(login: str, no_proxy: str) -> Credentials:
            address = proxy.url.replace("://", f"://{login}@")
            return Credentials(password_file=password, ca_file=authority, proxy=address, no_proxy=no_proxy)

        assert mirror.fetch(here(through("me:secret", ""), url), "main") == revision
        assert f"CONNECT {https.url.removeprefix('https://')}" in proxy.log.read_text()
        assert reason(mirror, through("me:wrong", ""), url) == "ProxyRefused"
        assert mirror.fetch(here(through("me:wrong", "127.0.0.1"), url), "main") == revision


def test_a_redirect_to_another_host_gets_no_password(upstream: Upstream, mirror: Mirror, tmp_path: Path) -> None:
    seen: list[Seen] = []

    def thief(request: Seen) -> tuple[int, Mapping[str, str], str]:
        seen.append(request)
        return 401, {"WWW-Authenticate": 'Basic realm="git"'}, ""

    with (
        service(thief) as elsewhere,
        service(lambda request: (302, {"Location": elsewhere + request.path}, "")) as home,
    ):
        assert reason(mirror, Credentials(password=PASSWORD), f"{home}/dags") == "AuthenticationFailed"
    assert seen
    assert not [request for request in seen if "Authorization" in request.headers]


def test_each_address_is_shown_its_own_password_and_no_other(
    upstream: Upstream, tmp_path: Path, mirror: Mirror
) -> None:
    revision = upstream.commit(dag="one")
    for folder in ("one", "two"):
        shutil.copytree(upstream.path, tmp_path / "root" / folder / "dags")
    users = {"one": "first", "two": "second"}
    doors = {"/one": "one", "/two": "two"}
    with git_http(tmp_path / "root", tmp_path / "http", users, doors=doors, tls=False) as server:
        urls = {name: f"{server.url}/{name}/dags/.git" for name in users}
        second = UrlAccess(url=f"{server.url}/two", username="two", password="second")
        credentials = Credentials(username="one", password="first", urls=(second,))
        for url in urls.values():
            assert mirror.fetch(credentials.remote(url, main=urls["one"]), "main") == revision
        assert reason(mirror, Credentials(username="one", password="first"), urls["two"]) == "AuthenticationFailed"


def test_more_of_gits_configuration(upstream: Upstream, mirror: Mirror, tmp_path: Path) -> None:
    seen: list[Seen] = []

    def notes(request: Seen) -> tuple[int, Mapping[str, str], str]:
        seen.append(request)
        return 404, {}, ""

    with service(notes) as url:
        credentials = Credentials(config={"http.userAgent": "dags/1"})
        assert reason(mirror, credentials, f"{url}/dags") == "RepositoryNotFound"
    assert {request.headers["User-Agent"] for request in seen} == {"dags/1"}
