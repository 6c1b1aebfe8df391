"""The component auth-oidc: a browser logs in through an OpenID Connect provider, whose groups are Airflow's roles."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests
from pytest_iam import Server, iam_configuration, iam_server, iam_server_port

from tests.airflow.processes import Process, accepts, wait_until
from tests.airflow.stack import CHECKOUT, settings_of
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.airflow.stack import Stack

__all__ = ["iam_configuration", "iam_server", "iam_server_port"]

COMPONENT = CHECKOUT / "base/components/auth-oidc"
DATABASE = "login"
SCOPES = ["openid", "email", "profile", "groups"]
"""This provider says nothing of groups unless it is asked for them."""


@dataclass
class Site:
    """An api-server with the component, and the provider that it asks."""

    address: str
    provider: Server

    def person(self, *groups: str) -> Any:  # noqa: ANN401 - made by the provider's database
        """Somebody new, in these groups, who agreed that Airflow may know."""
        found = self.provider.random_user()
        self.move(found, *groups)
        self.provider.consent(found)
        return found

    def move(self, person: Any, *groups: str) -> None:  # noqa: ANN401
        """From now on somebody is in these groups alone."""
        with self.provider.app.app_context():
            known = {each.display_name: each for each in self.provider.backend.query(self.provider.models.Group)}
            wanted = [known.get(name) or self.provider.random_group(display_name=name, members=[]) for name in groups]
            self.provider.backend.update(person, groups=wanted)
            self.provider.backend.save(person)

    def log_in(self, person: Any) -> requests.Session:  # noqa: ANN401
        """A browser that follows the button "Sign in with oidc" to the provider and back."""
        browser = requests.Session()
        browser.trust_env = False
        self.provider.login(person)
        try:
            back = browser.get(f"{self.address}/auth/login/oidc?next={self.address}/", timeout=120)
        finally:
            self.provider.logout()
        assert any(each.url.startswith(self.provider.url) for each in back.history), [each.url for each in back.history]
        assert back.status_code == 200, (back.url, back.text[:1000])
        browser.headers["Authorization"] = f"Bearer {browser.cookies['_token']}"
        return browser

    def allowed(self, browser: requests.Session) -> set[str]:
        """What somebody may do: see DAGs, make a pool, see users."""
        pool = {"name": secrets.token_hex(8), "slots": 1}
        answers = {
            "see DAGs": browser.get(f"{self.address}/api/v2/dags", timeout=120),
            "make a pool": browser.post(f"{self.address}/api/v2/pools", json=pool, timeout=120),
            "see users": browser.get(f"{self.address}/auth/fab/v1/users", timeout=120),
        }
        assert {each.status_code for each in answers.values()} <= {200, 201, 403}, answers
        return {what for what, answer in answers.items() if answer.ok}


@pytest.fixture(scope="module")
def site(stack: Stack, iam_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, port = tmp_path_factory.mktemp(DATABASE), free_port()
    address = f"http://127.0.0.1:{port}"
    env = (
        stack.env
        | settings_of(COMPONENT / "oidc.env")
        | changed(stack, iam_server, register(iam_server, address), folder)
    )
    stack.postgres.make(DATABASE, DATABASE)
    stack.airflow("db", "migrate", env=env)
    command = [str(stack.environment / "bin/airflow"), "api-server", "--host", "127.0.0.1", "--port", str(port)]
    process = Process(DATABASE, command, logs=stack.logs, env=env)
    try:
        wait_until("the api-server answers", lambda: process.check() and accepts(port), 300)
        yield Site(address, iam_server)
    except BaseException:
        print(process.tail())
        raise
    finally:
        process.end()


def register(provider: Server, address: str) -> str:
    """Tell the provider of Airflow; returns the client's secret."""
    secret = secrets.token_hex(16)
    client = provider.models.Client(
        client_id="airflow",
        client_secret=secret,
        client_name="Airflow",
        client_uri=address,
        redirect_uris=[f"{address}/auth/oauth-authorized/oidc"],
        grant_types=["authorization_code"],
        response_types=["code"],
        token_endpoint_auth_method="client_secret_basic",
        scope=SCOPES,
    )
    with provider.app.app_context():
        provider.backend.save(client)
    return secret


def changed(stack: Stack, provider: Server, secret: str, folder: Path) -> dict[str, str]:
    """What an overlay sets, and what the component's patches do in a pod."""
    (folder / "client-secret").write_text(f"{secret}\n")
    settings = settings_of(CHECKOUT / "base/config/airflow.env")
    return {
        "AIRFLOW__CORE__AUTH_MANAGER": settings["AIRFLOW__CORE__AUTH_MANAGER"],
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": stack.connection(DATABASE),
        "AIRFLOW__FAB__CONFIG_FILE": str(COMPONENT / "webserver_config.py"),
        "OIDC_CLIENT_SECRET_FILE": str(folder / "client-secret"),
        "OIDC_ISSUER": provider.url,
        "OIDC_CLIENT_ID": "airflow",
        "OIDC_SCOPE": " ".join(SCOPES),
    }


def test_groups_are_roles(site: Site) -> None:
    everything = {"see DAGs", "make a pool", "see users"}
    assert site.allowed(site.log_in(site.person("airflow-admins", "others"))) == everything
    assert site.allowed(site.log_in(site.person("airflow-viewers"))) == {"see DAGs"}


def test_who_is_in_no_group_may_do_nothing(site: Site) -> None:
    assert site.allowed(site.log_in(site.person())) == set()
    assert site.allowed(site.log_in(site.person("others"))) == set()


def test_who_leaves_a_group_loses_its_role_at_the_next_login(site: Site) -> None:
    person = site.person("airflow-admins")
    assert "make a pool" in site.allowed(site.log_in(person))
    site.move(person, "airflow-viewers")
    browser = site.log_in(person)
    wait_until("the api-server has forgotten who it was", lambda: site.allowed(browser) == {"see DAGs"}, 300, poll=1)


def test_passwords_do_not_log_in(site: Site) -> None:
    person = site.person("airflow-admins")
    site.log_in(person)
    words = {"username": person.user_name, "password": person.password or "anything"}
    answer = requests.post(f"{site.address}/auth/token", json=words, timeout=120)
    assert answer.status_code in (400, 401), answer.text
