"""The credentials for an address, and keys of Git's configuration that are refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from gitsync.access.askpass import Askpass
from gitsync.access.credentials import Credentials
from gitsync.access.github_app import GitHubApp
from gitsync.access.login import UrlAccess
from gitsync.errors import RemoteError
from gitsync.git.address import Address
from tests.unit.mirrors import here

HOME = "https://git.example.org/team/dags.git"


def test_a_configuration_as_it_stands_in_the_file() -> None:
    written = {
        "password_file": "/secrets/token",
        "known_hosts_files": ["/secrets/known_hosts"],
        "ca_file": "/secrets/ca",
        "urls": [
            {"url": "ssh://git@git.example.org/", "ssh_key_files": ["/secrets/one", "/secrets/two"]},
            {"url": "https://github.com/team", "github_app": {
                "client_id": "Iv1", "installation_id": 7, "private_key_file": "/secrets/app",
            }},
            {"url": "https://elsewhere.example.org", "askpass": {"url": "http://127.0.0.1:9102/git"}},
        ],
        "config": {"http.postBuffer": "1"},
    }  # fmt: skip
    credentials = TypeAdapter(Credentials).validate_python(written)
    names = ("token", "one", "two", "app", "known_hosts", "ca")
    assert credentials.files() == tuple(Path("/secrets", name) for name in names)


@pytest.mark.parametrize(
    ("url", "password"),
    [
        pytest.param("https://git.example.org/main", "main", id="itself"),
        pytest.param("https://git.example.org/another", "main", id="same-host"),
        pytest.param("https://GIT.example.org:443/x", "main", id="same-host-written-otherwise"),
        pytest.param("https://git.example.org/team/", "team", id="prefix"),
        pytest.param("https://git.example.org/team/secret.git", "secret", id="longest-prefix-in-spite-of-its-end"),
        pytest.param("https://git.example.org/team/secret/x", "secret", id="longest-prefix"),
        pytest.param("https://git.example.org/team2", "main", id="a-name-that-begins-alike"),
        pytest.param("https://git.example.org/team/../x", "main", id="dot-segments"),
        pytest.param("https://git.example.org/%74eam/x", "team", id="percent-encoded"),
        pytest.param("http://git.example.org/team", None, id="without-tls"),
        pytest.param("https://git.example.org:8443/team", None, id="another-port"),
        pytest.param("https://elsewhere.example.org/team", None, id="another-host"),
        pytest.param("https://git.example.org@elsewhere.example.org/team", None, id="a-host-as-user"),
        pytest.param("https://elsewhere.example.org/https://git.example.org/team", None, id="a-host-as-path"),
    ],
)
def test_whose_password_a_submodule_is_shown(url: str, password: str | None) -> None:
    credentials = Credentials(
        password="main",
        urls=(
            UrlAccess(url="https://git.example.org/team", password="team"),
            UrlAccess(url="https://git.example.org/team/secret", password="secret"),
        ),
    )
    main = "https://git.example.org/main"
    assert credentials.remote(url, main=main).env.get("GITSYNC_PASSWORD") == password


def test_a_password_in_the_sources_address_is_for_its_host() -> None:
    main, credentials = "https://me:secret@host/dags", Credentials()
    assert credentials.remote("https://host/library", main=main).env["GITSYNC_PASSWORD"] == "secret"
    assert credentials.remote("https://you:other@host/library", main=main).env["GITSYNC_PASSWORD"] == "other"
    assert not credentials.remote("https://elsewhere/library", main=main).env
    assert not credentials.remote("https://host/library", main="git@host:dags").env


@pytest.mark.parametrize(
    "url",
    ["git@host:team/dags.git", "ssh://git@host/team/dags", "ssh://host:22/team/x/../dags", "git+ssh://git@host/team/dags",
     "ssh+git://host/team/dags"],
)  # fmt: skip
def test_keys_by_address_however_it_is_written(url: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("-----BEGIN PRIVATE KEY-----\n")
        (tmp_path / name).chmod(0o400)
    team = UrlAccess(url="git@host:team", ssh_key_files=(tmp_path / "two",))
    command = here(Credentials(ssh_key_files=(tmp_path / "one",), urls=(team,)), url).env["GIT_SSH_COMMAND"]
    assert f"{tmp_path}/two" in command
    assert f"{tmp_path}/one" not in command


@pytest.mark.parametrize(
    "url",
    ["/srv/dags.git", "dags", "./a:b", "file:///srv/dags", "https://[broken", "https://host:port/x", "https:///x"],
)
def test_what_is_not_on_a_host(url: str) -> None:
    assert Address.parse(url) is None
    assert here(Credentials(password="secret"), url).env == {}


@pytest.mark.parametrize(
    ("credentials", "url", "username"),
    [
        pytest.param(Credentials(password="p"), "https://host/x", "git", id="nobody-says"),
        pytest.param(Credentials(password="p"), "https://me@host/x", "me", id="the-address-says"),
        pytest.param(Credentials(password="p", username="you"), "https://me@host/x", "you", id="both-say"),
        pytest.param(Credentials(), "https://m%65:p@host/x", "me", id="a-password-in-the-address"),
    ],
)
def test_user_names(credentials: Credentials, url: str, username: str) -> None:
    remote = here(credentials, url)
    assert (remote.url, remote.env["GITSYNC_USERNAME"]) == ("https://host/x", username)
    assert remote.env["GITSYNC_PASSWORD"] == "p"


@pytest.mark.parametrize(
    "key",
    [
        "alias.fetch", "core.sshCommand", "core.fsmonitor", "core.hooksPath", "core.gitProxy", "credential.helper",
        "filter.x.smudge", "protocol.ext.allow", "include.path", "includeIf.gitdir:/.path", "remote.x.uploadpack",
        "gc.autoDetach", "TRANSFER.fsckobjects", "url.ext::.insteadOf", "nonsense",
    ],
)  # fmt: skip
def test_configuration_that_starts_programs_is_refused_by_name(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key} "):
        Credentials(config={key: "x"})


@pytest.mark.parametrize(
    "key", ["http.postBuffer", "http.https://host/.extraHeader", "fetch.fsck.missingEmail", "pack.threads"]
)
def test_configuration_that_is_accepted(key: str) -> None:
    assert here(Credentials(config={key: "1"}), "/srv/dags").config[key] == "1"


@pytest.mark.parametrize(
    ("make", "options", "cure"),
    [
        pytest.param(Credentials, {"password": "x", "password_file": Path("y")}, "keep one", id="two-passwords"),
        pytest.param(UrlAccess, {"url": "team/dags"}, "https://HOST", id="no-address"),
        pytest.param(Askpass, {"url": "file:///etc/passwd"}, "http://", id="askpass-in-a-file"),
        pytest.param(Askpass, {"url": "http://x", "timeout": 0}, "more than 0", id="askpass-without-time"),
        pytest.param(GitHubApp, {"installation_id": 1, "private_key": "x"}, "client_id", id="nameless-app"),
        pytest.param(GitHubApp, {"installation_id": 1, "client_id": "x"}, "private_key_file", id="app-without-key"),
    ],
)
def test_options_that_cannot_be_meant(make: Any, options: dict[str, Any], cure: str) -> None:
    with pytest.raises(ValueError, match=cure):
        make(**options)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"secret\nquit=1\n", id="lines"),
        pytest.param(b"secret\0", id="nul"),
        pytest.param(b"\xff\xfe", id="binary"),
    ],
)
def test_a_password_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(RemoteError, match=f"{tmp_path}/password") as error:
        here(Credentials(password_file=tmp_path / "password"), HOME)
    assert error.value.reason == "CredentialsUnreadable"
    assert "secret" not in str(error.value)


def test_no_secret_is_shown_by_accident() -> None:
    app = GitHubApp(client_id="x", installation_id=1, private_key="secret")
    shown = Credentials(password="secret", proxy="http://me:secret@proxy", urls=(UrlAccess(url=HOME, github_app=app),))
    assert "secret" not in repr(shown)
    remote = here(Credentials(password="secret", proxy="http://me:secret@proxy"), "https://me:secret@host/x")
    assert "secret" not in repr(remote)


def test_harmless_keys_of_gits_configuration_have_no_effect_and_are_named(caplog: pytest.LogCaptureFixture) -> None:
    harmless = ("user.name", "init.defaultBranch", "safe.directory", "protocol.file.allow", "core.autocrlf",
                "submodule.fetchJobs", "gc.pruneExpire", "advice.detachedHead")  # fmt: skip
    credentials = Credentials(config={**dict.fromkeys(harmless, "x"), "protocol.version": "1"})
    assert credentials.remote("https://host/x", main="https://host/x").config == {"protocol.version": "1"}
    assert {record.key for record in caplog.records} == set(harmless)  # type: ignore[attr-defined] # an extra of the log


@pytest.mark.parametrize(
    "key", ["core.sshCommand", "credential.helper", "core.hooksPath", "url.x.pushInsteadOf", "core.fsmonitor",
            "transfer.fsckObjects", "remote.origin.uploadpack"]
)  # fmt: skip
def test_keys_that_start_programs_or_undo_checks_are_refused_by_name(key: str) -> None:
    with pytest.raises(ValueError, match=re.escape(key)):
        Credentials(config={key: "x"})


def test_instead_of_changes_addresses_before_credentials_are_chosen(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret")
    credentials = Credentials(
        config={"url.https://host/.insteadOf": "git@host:", "url.https://other/.insteadOf": "git@host:team/"},
        urls=(UrlAccess(url="https://host", username="u", password_file=password),),
    )
    remote = credentials.remote("git@host:lib", main="https://elsewhere/dags")
    assert remote.url == "https://host/lib"
    assert remote.env["GITSYNC_PASSWORD"] == "secret"
    assert credentials.remote("git@host:team/lib", main="https://elsewhere/dags").url == "https://other/lib"


@pytest.mark.parametrize(
    "option",
    [
        ("ProxyJump", "-oProxyCommand=x"),
        ("ProxyJump", "a b"),
        ("ProxyJump", "a,$(x)"),
        ("ProxyCommand", "x"),
        ("Ciphers", "a b"),
        ("MACs", "a\nx"),
    ],
)
def test_ssh_options_that_start_programs_are_refused(option: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=option[0]):
        Credentials(ssh_options=dict([option]))
