"""Real servers for tests: sshd, Git's smart HTTP behind lighttpd, a forward proxy."""

from __future__ import annotations

import getpass
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hack.lab.node.prerequisites import install_missing
from tests.ports import free_port
from tests.unit.services import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Server:
    url: str
    """To which a path is appended."""
    directory: Path
    """Its configuration, keys and passwords."""
    log: Path


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def make_key(file: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file))


@contextmanager
def sshd(directory: Path, *options: str) -> Iterator[Server]:
    """Accepts the keys in ``authorized_keys``: at first that of ``user``; its own key is in ``known_hosts``.

    ``options`` are further lines of sshd_config.
    """
    install_missing({"sshd": "openssh-server", "ssh": "openssh-client"})
    port, log = free_port(), directory / "log"
    directory.mkdir()
    for name in ("host", "user", "stranger"):
        make_key(directory / name)
    # A Secret holds no public half, and ssh would offer that one if it lay beside the key.
    (directory / "user.pub").rename(directory / "authorized_keys")
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {(directory / 'host.pub').read_text()}")
    (directory / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {directory}/authorized_keys\nPasswordAuthentication no\nUsePAM no\nPermitRootLogin yes\n"
        + "".join(f"{option}\n" for option in options)
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    with serving(["/usr/sbin/sshd", "-D", "-e", "-f", str(directory / "sshd_config")], port, log):
        yield Server(f"ssh://{getpass.getuser()}@127.0.0.1:{port}", directory, log)


def make_certificate(directory: Path) -> Path:
    """One that is its own authority, for 127.0.0.1; its key is beside it."""
    certificate = directory / "certificate.pem"
    run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
        "subjectAltName=IP:127.0.0.1", "-keyout", str(directory / "key.pem"), "-out", str(certificate),
    )  # fmt: skip
    return certificate


@contextmanager
def git_http(
    repositories: Path,
    directory: Path,
    users: Mapping[str, str],
    *,
    doors: Mapping[str, str],
    tls: bool,
    extra: str = "",
) -> Iterator[Server]:
    """Git's smart HTTP for all ``repositories``.

    ``users``: their passwords, in the file ``users``, which is read at each request. ``doors``: a prefix of paths, and
    the user that it lets in. ``extra`` configuration of lighttpd.
    """
    install_missing(
        {"lighttpd": "lighttpd", "/usr/lib/lighttpd/mod_openssl.so": "lighttpd-mod-openssl", "openssl": "openssl"}
    )
    directory.mkdir()
    port, log = free_port(), directory / "log"
    (directory / "users").write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
    locks = ", ".join(
        f'"{prefix}" => ("method" => "basic", "realm" => "git", "require" => "user={user}")'
        for prefix, user in doors.items()
    )
    (directory / "lighttpd.conf").write_text(f"""
server.modules = ("mod_access", "mod_alias", "mod_auth", "mod_authn_file", "mod_cgi", "mod_setenv", "mod_openssl")
server.port = {port}
server.bind = "127.0.0.1"
server.document-root = "{directory}"
auth.backend = "plain"
auth.backend.plain.userfile = "{directory}/users"
auth.require = ({locks})
alias.url = ("/" => "/usr/lib/git-core/git-http-backend/")
cgi.assign = ("" => "")
setenv.add-environment = ("GIT_PROJECT_ROOT" => "{repositories}", "GIT_HTTP_EXPORT_ALL" => "1")
{_tls(directory) if tls else ""}
{extra}
""")
    with serving(["lighttpd", "-D", "-f", str(directory / "lighttpd.conf")], port, log):
        yield Server(f"http{'s' if tls else ''}://127.0.0.1:{port}", directory, log)


def _tls(directory: Path) -> str:
    certificate = make_certificate(directory)
    return f'ssl.engine = "enable"\nssl.pemfile = "{certificate}"\nssl.privkey = "{directory}/key.pem"'


@contextmanager
def forward_proxy(directory: Path, login: str) -> Iterator[Server]:
    """A proxy that wants ``login`` (``user password``) and writes each connection into its log."""
    install_missing({"tinyproxy": "tinyproxy"})
    directory.mkdir()
    port, log = free_port(), directory / "log"
    (directory / "tinyproxy.conf").write_text(
        f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 10\nLogLevel Connect\nBasicAuth {login}\n"
    )
    with serving(["tinyproxy", "-d", "-c", str(directory / "tinyproxy.conf")], port, log):
        yield Server(f"http://127.0.0.1:{port}", directory, log)
