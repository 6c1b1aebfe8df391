"""Where submodules may be."""

from __future__ import annotations

import pytest

from gitsync.errors import Refused
from gitsync.git.clone import Clone
from gitsync.git.submodules import require_within

TEAM = ("https://git.example.org/team", "ssh://git.example.org/team")


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.org/team/lib.git",
        "https://GIT.example.org:443/team/lib",
        "https://user:password@git.example.org/team/lib",
        "git@git.example.org:team/lib.git",
        "https://git.example.org/other/../team/lib",
    ],
)
def test_an_allowed_address_is_allowed_in_every_spelling(url: str) -> None:
    require_within("lib", url, TEAM)


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.org/teams/lib",
        "https://git.example.org/team/../other/lib",
        "https://git.example.org/team/%2e%2e/other/lib",
        "https://git.example.org/team/..;/other/lib",
        "http://git.example.org/team/lib",
        "https://git.example.org:8443/team/lib",
        "https://git.example.org@evil.example/team/lib",
        "https://evil.example\\@git.example.org/team/lib",
        "https://evil.example#@git.example.org/team/lib",
        "https://git.example.org\t.evil.example/team/lib",
        "https://git.example.org/team/\nlib",
        "http://169.254.169.254/latest",
        "http://[::1]:8080/team",
        "/team/lib",
        "file:///team/lib",
        "ext::sh -c id",
        "http://[x/lib",
        "http://[::1/user@lib",
        "",
    ],
)
def test_any_other_is_refused_by_name(url: str) -> None:
    with pytest.raises(Refused, match=r"submodule 'lib'.* is not within https://git.example.org/team, ssh") as error:
        require_within("lib", url, TEAM)
    assert error.value.reason == "SubmoduleElsewhere"


def test_a_refusal_shows_no_password() -> None:
    with pytest.raises(Refused) as error:
        require_within("lib", "https://user:password@evil.example/lib", TEAM)
    assert "password" not in str(error.value)


def test_without_the_option_a_submodule_may_be_anywhere() -> None:
    require_within("lib", "/anywhere", ())


def test_what_is_no_address_is_said_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"submodules_within: 'git.example.org' is no address; write one such as"):
        Clone(submodules_within=("git.example.org",))
