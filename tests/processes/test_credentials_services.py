"""Passwords from services, askpass and GitHub Apps, with a Git server that checks them."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gitsync.access import github_app
from gitsync.access.askpass import Askpass
from gitsync.access.credentials import Credentials
from gitsync.access.github_app import GitHubApp
from gitsync.errors import RemoteError
from gitsync.git.mirror import Mirror
from tests.processes.servers import Server, git_http
from tests.unit.mirrors import here
from tests.unit.services import Seen, service
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.unit.conftest import Upstream

Reply = tuple[int, "Mapping[str, str]", str]


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = Mirror(tmp_path / "mirror.git", timeout=PATIENCE)
    mirror.prepare()
    return mirror


def failure(credentials: Credentials, url: str = "https://host/x") -> RemoteError:
    with pytest.raises(RemoteError) as error:
        here(credentials, url)
    return error.value


def askpass(url: str, timeout: float = PATIENCE) -> Credentials:
    return Credentials(askpass=Askpass(url=url, timeout=timeout))


def test_askpass_is_asked_at_each_fetch(upstream: Upstream, mirror: Mirror, tmp_path: Path) -> None:
    """1. Its password is good. 2. It hands out a wrong one. 3. It is down. 4. It is well again."""
    revision = upstream.commit(dag="one")
    replies: list[Reply] = [
        (200, {}, "username=me\npassword=a=b c\n"),
        (200, {}, "username=me\r\npassword=wrong\r\n"),
        (503, {}, "later"),
        (200, {}, "something=else\npassword=a=b c\nusername=me"),
    ]
    doors = {"": "me"}
    with (
        service(lambda _: replies.pop(0)) as url,
        git_http(tmp_path, tmp_path / "http", {"me": "a=b c"}, doors=doors, tls=False) as server,
    ):
        credentials, repository = askpass(url), f"{server.url}/upstream/.git"
        assert mirror.fetch(here(credentials, repository), "main") == revision
        with pytest.raises(RemoteError) as error:
            mirror.fetch(here(credentials, repository), "main")
        assert error.value.reason == "AuthenticationFailed"
        assert failure(credentials, repository).reason == "AskpassFailed"
        assert mirror.fetch(here(credentials, repository), "main") == revision


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        pytest.param((500, {}, "username=me\npassword=x"), "status 500", id="an-error"),
        pytest.param((204, {}, ""), "status 204", id="another-success"),
        pytest.param((200, {}, "password=x"), "username=", id="no-user-name"),
        pytest.param((200, {}, "username=me\npassword="), "password=", id="no-password"),
        pytest.param((200, {}, "username=me\npassword=x\0y"), "password=", id="what-no-environment-can-hold"),
    ],
)
def test_an_answer_that_askpass_must_not_give(reply: Reply, says: str) -> None:
    with service(lambda _: reply) as url:
        error = failure(askpass(url))
    assert error.reason == "AskpassFailed"
    assert says in str(error)
    assert "password=x" not in str(error)


def test_nobody_is_asked_but_the_configured_address(setup: Setup) -> None:
    answers = json.dumps({"token": "x", "expires_at": "2100-01-01T00:00:00Z"})

    def redirecting(request: Seen) -> Reply:
        if request.path == "/elsewhere":
            return (200, {}, "username=me\npassword=x") if request.method == "GET" else (201, {}, answers)
        return 307 if request.method == "POST" else 302, {"Location": "/elsewhere"}, ""

    with service(redirecting) as url:
        assert "status 302" in str(failure(askpass(url)))
        assert "status 307" in str(failure(Credentials(github_app=replace(setup.app, base_url=url))))


def test_an_askpass_service_that_is_slow_or_gone() -> None:
    over = threading.Event()

    def slow(_: Seen) -> Reply:
        over.wait(PATIENCE)
        return 200, {}, "username=me\npassword=x"

    with service(slow) as url:
        assert "did not answer within 0.01 s" in str(failure(askpass(url, timeout=0.01)))
        over.set()
    assert "cannot be asked" in str(failure(askpass(url)))


@dataclass
class GitHub:
    """As the real one, as far as an App sees it; each token is the only one that the Git server accepts."""

    public_key: rsa.RSAPublicKey
    issuer: str
    users: Path
    """The Git server's passwords."""
    clock: timedelta = timedelta()
    """By how much its clock is ahead of ours."""
    lifetime: timedelta = timedelta(hours=1)
    tokens: list[str] = field(default_factory=list)

    def answer(self, request: Seen) -> Reply:
        now = datetime.now(UTC) + self.clock
        date = {"Date": format_datetime(now, usegmt=True)}
        if (request.method, request.path) != ("POST", "/api/v3/app/installations/7/access_tokens"):
            return 404, date, ""
        try:
            self._check(request.headers["Authorization"].removeprefix("Bearer "), now)
        except jwt.InvalidTokenError as error:
            return 401, date, str(error)
        self.tokens.append(f"ghs_{len(self.tokens)}")
        self.users.write_text(f"x-access-token:{self.tokens[-1]}\n")
        expires = (now + self.lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
        return 201, date, json.dumps({"token": self.tokens[-1], "expires_at": expires})

    def _check(self, statement: str, now: datetime) -> None:
        claims = jwt.decode(
            statement, self.public_key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
        )
        if claims["iss"] != self.issuer or not isinstance(claims["iss"], str):
            raise jwt.InvalidIssuerError("another App")
        if claims["iat"] > now.timestamp():
            raise jwt.ImmatureSignatureError("issued in the future")
        if not now.timestamp() < claims["exp"] <= now.timestamp() + 600:
            raise jwt.ExpiredSignatureError("ended, or ends later than ten minutes from now")


@dataclass(frozen=True)
class Setup:
    github: GitHub
    app: GitHubApp
    git: Server
    key: Path

    @property
    def credentials(self) -> Credentials:
        return Credentials(github_app=self.app)


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@pytest.fixture
def setup(upstream: Upstream, tmp_path: Path, private_key: rsa.RSAPrivateKey) -> Iterator[Setup]:
    doors, key = {"": "x-access-token"}, tmp_path / "key.pem"
    key.write_bytes(pem(private_key))
    with git_http(tmp_path, tmp_path / "http", {"x-access-token": "none"}, doors=doors, tls=False) as git:
        github = GitHub(private_key.public_key(), "12", git.directory / "users")
        with service(github.answer) as url:
            app = GitHubApp(application_id=12, installation_id=7, private_key_file=key, base_url=f"{url}/api/v3/")
            yield Setup(github, app, git, key)


def fetched(setup: Setup, mirror: Mirror) -> str:
    return mirror.fetch(here(setup.credentials, f"{setup.git.url}/upstream/.git"), "main")


def test_a_github_app_fetches_with_one_token_until_it_ends(setup: Setup, upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dag="one")
    assert [fetched(setup, mirror) for _ in range(3)] == [revision] * 3
    assert setup.github.tokens == ["ghs_0"]


def test_a_github_app_by_client_id_with_a_key_that_is_no_file(setup: Setup, upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dag="one")
    setup.github.issuer = "Iv1.abc"
    app = GitHubApp(
        client_id="Iv1.abc", installation_id=7, private_key=setup.key.read_text(), base_url=setup.app.base_url
    )
    assert fetched(replace(setup, app=app), mirror) == revision


def test_a_token_is_renewed_before_it_ends(setup: Setup, upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dag="one")
    setup.github.lifetime = timedelta(seconds=github_app.RENEW_BEFORE - 1)
    assert [fetched(setup, mirror), fetched(setup, mirror)] == [revision] * 2
    assert setup.github.tokens == ["ghs_0", "ghs_1"]


@pytest.mark.parametrize("minutes", [-5, 0.5])
def test_a_token_lasts_as_long_as_github_says_whatever_our_clock_shows(
    setup: Setup, upstream: Upstream, mirror: Mirror, minutes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub's clock differs from ours by more than the token lasts; its own statements still agree."""
    revision = upstream.commit(dag="one")
    setup.github.clock = timedelta(minutes=minutes)
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + 60 * minutes)  # else GitHub refuses our statement
    setup.github.lifetime = timedelta(seconds=github_app.RENEW_BEFORE + 60)
    assert [fetched(setup, mirror), fetched(setup, mirror)] == [revision] * 2
    assert setup.github.tokens == ["ghs_0"]


def test_a_clock_that_is_half_a_minute_off_is_accepted(setup: Setup, upstream: Upstream, mirror: Mirror) -> None:
    revision = upstream.commit(dag="one")
    for minutes in (0.5, -0.5):
        github_app._tokens.clear()
        setup.github.clock = timedelta(minutes=minutes)
        assert fetched(setup, mirror) == revision


def test_a_key_that_was_rotated_makes_a_new_token(setup: Setup, upstream: Upstream, mirror: Mirror) -> None:
    """1. A token. 2. The key on disk is another, which GitHub does not know yet: named. 3. It knows it: a new token."""
    revision = upstream.commit(dag="one")
    assert fetched(setup, mirror) == revision
    key = rsa.generate_private_key(65537, 2048)
    setup.key.write_bytes(pem(key))
    error = failure(setup.credentials)
    assert (error.reason, "private key" in str(error)) == ("GitHubAppRefused", True)
    setup.github.public_key = key.public_key()
    assert fetched(setup, mirror) == revision
    assert setup.github.tokens == ["ghs_0", "ghs_1"]


def test_a_key_that_cannot_be_read_is_an_error_like_any_other(setup: Setup) -> None:
    setup.key.write_text("nonsense")
    assert failure(setup.credentials).reason == "CredentialsUnreadable"
    setup.key.unlink()
    assert str(setup.key) in str(failure(setup.credentials))


def test_what_github_refuses_is_named(setup: Setup) -> None:
    assert "installation id" in str(failure(Credentials(github_app=replace(setup.app, installation_id=8))))
    setup.github.issuer = "someone else"
    assert "application (or client) id" in str(failure(setup.credentials))
    gone = replace(setup.app, base_url="http://127.0.0.1:1")
    assert failure(Credentials(github_app=gone)).reason == "HostUnreachable"


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"token": "x", "expires_at": 1}', '{"token": "x", "expires_at": "2"}']
)
def test_an_answer_that_is_no_token_is_an_error(setup: Setup, body: str) -> None:
    with service(lambda _: (201, {}, body)) as url:
        assert failure(Credentials(github_app=replace(setup.app, base_url=url))).reason == "GitHubAppRefused"


def test_a_github_app_is_shown_to_submodules_of_the_same_host_only(setup: Setup) -> None:
    main = f"{setup.git.url}/upstream/.git"
    assert setup.credentials.remote(f"{setup.git.url}/other", main=main).env["GITSYNC_PASSWORD"] == "ghs_0"
    assert not setup.credentials.remote("https://elsewhere.example.org/other", main=main).env
