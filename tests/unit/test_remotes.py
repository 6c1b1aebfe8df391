"""Fetching from real servers: OpenSSH's sshd, and Git's smart HTTP behind TLS and a password."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitsync.errors import RemoteError
from gitsync.git.credentials import Credentials
from gitsync.git.mirror import Mirror
from tests.packages import install
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.conftest import Upstream

PATIENCE = 60.0
PASSWORD = "a\"b'c\\d@%? $x"


@dataclass
class Server:
    url: str
    directory: Path
    """Where its keys and passwords are."""


def serve(command: list[str], port: int, log: Path) -> subprocess.Popen[bytes]:
    """Start a server and wait until it listens."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.05)
    raise AssertionError(f"{command[0]} does not listen on {port}: {log.read_text()}")


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def make_key(file: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file))


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = Mirror(tmp_path / "mirror.git", timeout=PATIENCE)
    mirror.prepare()
    return mirror


@pytest.fixture
def ssh(upstream: Upstream, tmp_path: Path) -> Iterator[Server]:
    if not Path("/usr/sbin/sshd").exists() or not shutil.which("ssh"):
        install("openssh-server", "openssh-client")
    directory, port = tmp_path / "ssh", free_port()
    directory.mkdir()
    for name in ("host", "user", "stranger"):
        make_key(directory / name)
    # A Secret holds no public half, and ssh would offer that one if it lay beside the key.
    (directory / "user.pub").rename(directory / "authorized_keys")
    host_key = (directory / "host.pub").read_text()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    (directory / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {directory}/authorized_keys\nPasswordAuthentication no\nUsePAM no\nPermitRootLogin yes\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    process = serve(["/usr/sbin/sshd", "-D", "-e", "-f", str(directory / "sshd_config")], port, tmp_path / "sshd.log")
    yield Server(f"ssh://{getpass.getuser()}@127.0.0.1:{port}{upstream.path}", directory)
    process.terminate()
    process.wait()


def test_ssh_with_a_key_and_a_known_host(ssh: Server, upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dag="one")
    keys = ssh.directory
    credentials = Credentials(ssh_key_file=keys / "user", known_hosts_file=keys / "known_hosts")
    assert mirror.fetch(credentials.remote(ssh.url), "main") == revision
    make_key(keys / "rotated")
    shutil.copy(keys / "rotated.pub", keys / "authorized_keys")
    shutil.copy(keys / "rotated", keys / "user")
    assert mirror.fetch(credentials.remote(ssh.url), "main") == revision, "a rotated key is used at the next fetch"


@pytest.mark.parametrize(
    ("key", "known", "reason"),
    [
        pytest.param("stranger", "known_hosts", "AuthenticationFailed", id="wrong-key"),
        pytest.param("user", "nothing", "HostKeyUnknown", id="unknown-host"),
        pytest.param("user", "another", "HostKeyChanged", id="changed-host-key"),
    ],
)
def test_ssh_refusals_are_named(
    ssh: Server, upstream: Upstream, mirror: Mirror, key: str, known: str, reason: str
) -> None:
    upstream.commit(dag="one")
    keys = ssh.directory
    (keys / "nothing").touch()
    host = (keys / "known_hosts").read_text().split()[0]
    (keys / "another").write_text(f"{host} {(keys / 'stranger.pub').read_text()}")
    credentials = Credentials(ssh_key_file=keys / key, known_hosts_file=keys / known)
    with pytest.raises(RemoteError) as error:
        mirror.fetch(credentials.remote(ssh.url), "main")
    assert error.value.reason == reason


@pytest.fixture
def https(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    if not Path("/usr/lib/lighttpd/mod_openssl.so").exists():
        install("lighttpd", "lighttpd-mod-openssl", "openssl")
    directory, port = tmp_path / "https", free_port()
    directory.mkdir()
    certificate = directory / "certificate.pem"
    run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
        "subjectAltName=IP:127.0.0.1", "-keyout", str(directory / "key.pem"), "-out", str(certificate),
    )  # fmt: skip
    (directory / "users").write_text(f"git:{PASSWORD}\n")
    (directory / "lighttpd.conf").write_text(f"""
server.modules = ("mod_alias", "mod_auth", "mod_authn_file", "mod_cgi", "mod_setenv", "mod_openssl")
server.port = {port}
server.bind = "127.0.0.1"
server.document-root = "{directory}"
ssl.engine = "enable"
ssl.pemfile = "{certificate}"
ssl.privkey = "{directory}/key.pem"
auth.backend = "plain"
auth.backend.plain.userfile = "{directory}/users"
auth.require = ("" => ("method" => "basic", "realm" => "git", "require" => "user=git"))
alias.url = ("/" => "/usr/lib/git-core/git-http-backend/")
cgi.assign = ("" => "")
setenv.add-environment = ("GIT_PROJECT_ROOT" => "{upstream.path.parent}", "GIT_HTTP_EXPORT_ALL" => "1")
""")
    process = serve(["lighttpd", "-D", "-f", str(directory / "lighttpd.conf")], port, tmp_path / "lighttpd.log")
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate))
    yield Server(f"https://127.0.0.1:{port}/{upstream.path.name}/.git", directory)
    process.terminate()
    process.wait()


def test_https_with_a_password_that_rotates(https: Server, upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dag="one")
    password = https.directory / "password"
    credentials = Credentials(password_file=password)
    password.write_text(f"{PASSWORD}\n")
    assert mirror.fetch(credentials.remote(https.url), "main") == revision
    password.write_text("wrong")
    with pytest.raises(RemoteError) as error:
        mirror.fetch(credentials.remote(https.url), "main")
    assert error.value.reason == "AuthenticationFailed"
    password.write_text(PASSWORD)
    assert mirror.fetch(credentials.remote(https.url), "main") == revision


def test_https_refusals_are_named(https: Server, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RemoteError) as error:
        mirror.fetch(Credentials().remote(https.url), "main")
    assert error.value.reason == "AuthenticationFailed"
    password = https.directory / "password"
    password.write_text(PASSWORD)
    with pytest.raises(RemoteError) as error:
        mirror.fetch(Credentials(password_file=password).remote(https.url.replace("/.git", "/nowhere")), "main")
    assert error.value.reason == "RepositoryNotFound"
    monkeypatch.delenv("GIT_SSL_CAINFO")
    with pytest.raises(RemoteError, match="certificate") as error:
        mirror.fetch(Credentials(password_file=password).remote(https.url), "main")
    assert error.value.reason == "HostUnreachable"
