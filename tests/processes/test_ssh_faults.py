"""What ssh and real SSH servers say reaches the reader: faults of keys before, all others in their own words."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitsync.access import keys
from gitsync.access.credentials import Credentials
from gitsync.errors import RemoteError
from tests.processes.servers import Server, make_key, run, sshd
from tests.unit.mirrors import MakeMirror, here

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitsync.git.mirror import Mirror
    from tests.unit.conftest import Upstream


@pytest.fixture
def mirror(make_mirror: MakeMirror) -> Mirror:
    return make_mirror()


def failure(mirror: Mirror, url: str, credentials: Credentials) -> RemoteError:
    with pytest.raises(RemoteError) as error:
        mirror.fetch(here(credentials, url), "main")
    print(error.value.reason, error.value)
    return error.value


def logins(server: Server, *keys: str, **more: object) -> Credentials:
    files = tuple(server.directory / key for key in keys or ("user",))
    return Credentials(ssh_key_files=files, known_hosts_files=(server.directory / "known_hosts",), **more)  # type: ignore[arg-type] # one field


def test_a_host_with_old_algorithms_only(tmp_path: Path, mirror: Mirror, upstream: Upstream) -> None:
    revision = upstream.commit(dag="one")
    with sshd(tmp_path / "ssh", "KexAlgorithms diffie-hellman-group14-sha1") as server:
        url = f"{server.url}{upstream.path}"
        error = failure(mirror, url, logins(server))
        assert error.reason == "AlgorithmsRefused"
        assert "no matching key exchange method found. Their offer: diffie-hellman-group14-sha1" in str(error)
        allowed = logins(server, ssh_options={"KexAlgorithms": "+diffie-hellman-group14-sha1"})
        assert mirror.fetch(here(allowed, url), "main") == revision


def test_too_many_keys(tmp_path: Path, mirror: Mirror, upstream: Upstream) -> None:
    with sshd(tmp_path / "ssh", "MaxAuthTries 1") as server:
        error = failure(mirror, f"{server.url}{upstream.path}", logins(server, "stranger", "user"))
    assert error.reason == "AuthenticationFailed"
    assert "Too many authentication failures" in str(error)


@pytest.mark.parametrize(
    "words",
    [
        "ERROR: The organization has enabled or enforced SAML SSO. Authorize this key for access.",
        "ERROR: rate limit: this address is blocked intentionally for an hour",
        "This host is in maintenance: the certificate service could not be found",
    ],
)
def test_the_words_of_a_host_are_shown_and_not_taken_for_those_of_git(
    tmp_path: Path, mirror: Mirror, upstream: Upstream, words: str
) -> None:
    with sshd(tmp_path / "ssh", f"ForceCommand echo '{words}' >&2; exit 1") as server:
        error = failure(mirror, f"{server.url}{upstream.path}", logins(server))
    assert error.reason == "FetchFailed"
    assert words in str(error)


@pytest.mark.parametrize(
    ("address", "words"),
    [("127.0.0.1:1", "Connection refused"), ("no-such-host.invalid", "Could not resolve hostname")],
)
def test_hosts_that_cannot_be_reached(mirror: Mirror, tmp_path: Path, address: str, words: str) -> None:
    error = failure(mirror, f"ssh://git@{address}/dags", Credentials(strict_host_key=False))
    assert error.reason == "HostUnreachable"
    assert words in str(error)


def _rewritten(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda key: key.write_bytes(change(key.read_bytes()))


KEYS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no newline": (_rewritten(bytes.rstrip), "has no newline at its end"),
    "CRLF": (_rewritten(lambda content: content.replace(b"\n", b"\r\n")), "has the line ends of Windows"),
    "empty": (_rewritten(lambda _: b"\n"), "is empty"),
    "public half": (lambda key: key.write_bytes(key.with_suffix(".pub").read_bytes()), "is the public half"),
    "other text": (_rewritten(lambda _: b"token\n"), "is no private key"),
    "mode": (lambda key: key.chmod(0o644), "has the mode 0644"),
    "passphrase": (lambda key: run("ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(key)), "has a passphrase"),
    "passphrase in PEM": (
        lambda key: run("ssh-keygen", "-q", "-p", "-N", "secret", "-m", "PEM", "-f", str(key)), "has a passphrase",
    ),
}  # fmt: skip


def test_a_fetch_through_a_jump_host(tmp_path: Path, mirror: Mirror, upstream: Upstream) -> None:
    """1. By the keys and known hosts of the fetch. 2. The jump's own key must be known, too."""
    revision = upstream.commit(dag="one")
    with sshd(tmp_path / "ssh") as server, sshd(tmp_path / "jump") as jump:
        url, known = f"{server.url}{upstream.path}", server.directory / "known_hosts"
        (jump.directory / "authorized_keys").write_bytes((server.directory / "authorized_keys").read_bytes())
        through = logins(server, ssh_options={"ProxyJump": jump.url.removeprefix("ssh://")})
        assert "Host key verification failed" in str(failure(mirror, url, through))
        known.write_text(known.read_text() + (jump.directory / "known_hosts").read_text())
        assert mirror.fetch(here(through, url), "main") == revision
        assert "Accepted publickey" in jump.log.read_text()


def test_a_key_in_pem_form_may_have_any_line_ends(tmp_path: Path, mirror: Mirror, upstream: Upstream) -> None:
    revision = upstream.commit(dag="one")
    with sshd(tmp_path / "ssh") as server:
        pem = server.directory / "pem"
        run("ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", str(pem))
        pem.with_suffix(".pub").rename(server.directory / "authorized_keys")
        pem.write_bytes(pem.read_bytes().rstrip().replace(b"\n", b"\r\n"))
        assert mirror.fetch(here(logins(server, "pem"), f"{server.url}{upstream.path}"), "main") == revision


def test_a_faulty_key_beside_a_good_one_stops_nothing(tmp_path: Path, mirror: Mirror, upstream: Upstream) -> None:
    revision = upstream.commit(dag="one")
    with sshd(tmp_path / "ssh") as server:
        (server.directory / "stranger").write_text("no key\n")
        assert (
            mirror.fetch(here(logins(server, "stranger", "user"), f"{server.url}{upstream.path}"), "main") == revision
        )


@pytest.mark.parametrize("fault", KEYS)
@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_faults_of_key_files_are_named_before_anybody_connects(
    mirror: Mirror, tmp_path: Path, fault: str, kind: str
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key], check=True)
    make, words = KEYS[fault]
    make(key)
    error = failure(mirror, "ssh://git@127.0.0.1:1/dags", Credentials(ssh_key_files=(key,), strict_host_key=False))
    assert error.reason == "CredentialsUnreadable"
    assert str(key) in str(error)
    assert words in str(error)


def test_a_key_of_another_owner_that_the_group_may_read_is_fine(tmp_path: Path) -> None:
    """As Kubernetes mounts a key of root with `fsGroup`, for a user who is not root."""
    key = tmp_path / "key"
    make_key(key)
    key.chmod(0o440)
    os.chown(key, 65534, -1)
    assert keys.check(key) == str(key)
