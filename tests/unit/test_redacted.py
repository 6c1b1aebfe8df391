"""No message and no log line has a password or token in it, in whatever form an address has it."""

from __future__ import annotations

import pytest

from gitsync.access.login import UrlAccess
from gitsync.git.clone import Clone
from gitsync.git.command import CommandFailed
from gitsync.git.remote import explained
from gitsync.log import redacted, without_logins
from gitsync.standalone.arguments import leaf

SECRET = "s3c"
LEAKING = [
    "https://bot:s3cret@git.example.org/dags.git",
    "https://s3cret@git.example.org/dags.git",
    "https://bot:s3c%2Fret@git.example.org/dags.git",
    "https://bot:s3c/ret@git.example.org/dags.git",
    "https://bot:s3c#ret@git.example.org/dags.git",
    "https://bot:s3c?ret@git.example.org/dags.git",
    "https://bot:s3c/r@t@git.example.org/dags.git",
    "https://bot:s3c ret@git.example.org/dags.git",
    "https://bot:[s3c/]ret@git.example.org/dags.git",
    "HTTPS://bot:s3cret@git.example.org/dags.git",
    "https://git.example.org/dags.git?private_token=s3cret",
    "https://git.example.org/dags.git?a=b&access_token=s3cret#x",
    "httpx://bot:s3cret@git.example.org/dags.git",
    "https://bot:s3cret@[::1/dags.git",
    "ssh://bot:s3cret@git.example.org/dags.git",
]
WITHOUT = [
    "https://git.example.org:8443/team@x/dags.git",
    "https://[2001:db8::1]:8443/dags.git",
    "ssh://git@git.example.org:7999/dags.git",
    "ssh://git@git.example.org:team/dags.git",
    "git@git.example.org:team/dags.git",
    "file:///srv/dags@home.git",
    "/srv/dags.git",
    "http://[x",
    "",
]


@pytest.mark.parametrize("url", LEAKING)
def test_an_address_is_shown_without_its_secret(url: str) -> None:
    shown = redacted(url)
    assert SECRET not in shown
    assert "ret" not in shown
    assert "[::1" in url or "git.example.org/dags.git" in shown, "the rest of the address is there"


@pytest.mark.parametrize("url", WITHOUT)
def test_an_address_without_a_secret_stays_as_it_is(url: str) -> None:
    assert redacted(url) == url


def test_an_ssh_address_keeps_the_name_of_its_user() -> None:
    assert redacted("ssh://git:s3cret@git.example.org/dags.git") == "ssh://git@git.example.org/dags.git"


def test_every_address_in_a_text_is_shown_without_its_secret() -> None:
    said = "warning: redirecting to https://bot:s3cret@a.example.org/x/; not 'https://b.example.org/?token=s3cret'"
    assert (
        without_logins(said) == "warning: redirecting to https://a.example.org/x/; not 'https://b.example.org/?token=…'"
    )


def test_gits_own_words_are_shown_without_secrets() -> None:
    failure = CommandFailed("fetch", "fatal: protocol error at https://bot:s3cret@elsewhere.example.org/dags.git")
    assert SECRET not in str(failure)
    assert SECRET not in str(explained(failure, "https://git.example.org/dags.git", "main"))


def test_a_password_that_should_have_been_encoded_is_named_with_the_cure() -> None:
    url = "https://bot:s3c/ret@git.example.org/dags.git"
    said = f"fatal: unable to access '{url}/': URL using bad/illegal format or missing URL"
    told = str(explained(CommandFailed("fetch", said), url, "main"))
    assert SECRET not in told
    assert "encode the signs of its password" in told


def test_settings_and_commits_with_a_faulty_address_are_named_without_its_secret() -> None:
    with pytest.raises(ValueError, match="is no address") as login:
        UrlAccess(url="httpx://bot:s3cret@git.example.org")
    with pytest.raises(ValueError, match="is no address") as within:
        Clone(submodules_within=("httpx://bot:s3cret@git.example.org",))
    for raised in (login, within):
        assert SECRET not in str(raised.value)


@pytest.mark.parametrize("repo", ["https://git.example.org/dags?token=s3cret", "/srv/dags/", "https://host/x/dags/"])
def test_the_name_of_links_and_notices_has_no_token(repo: str) -> None:
    assert leaf(repo) == "dags"
