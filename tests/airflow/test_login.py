"""The component auth-oidc: a browser logs in through an OpenID Connect provider, whose groups are Airflow's roles."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from tests.airflow.processes import Process, accepts, wait_until
from tests.airflow.stack import CHECKOUT, settings_of
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.airflow.stack import Stack

PROVIDER = Path(__file__).with_name("provider.py")
COMPONENT = CHECKOUT / "base/components/auth-oidc"
DATABASE = "login"
SCOPES = ["openid", "email", "profile", "groups"]
"""This provider says nothing of groups unless it is asked for them."""


@dataclass
class Site:
    """An api-server with the component, and the provider that it asks."""

    address: str
    provider: str

    def person(self, *groups: str) -> str:
        """The name of somebody new, in these groups."""
        name = f"somebody-{secrets.token_hex(4)}"
        self.move(name, *groups)
        return name

    def move(self, person: str, *groups: str) -> None:
        """From now on somebody is in these groups alone."""
        requests.put(f"{self.provider}/people/{person}", json=groups, timeout=60).raise_for_status()

    def log_in(self, person: str) -> requests.Session:
        """A browser that follows the button "Sign in with oidc" to the provider and back."""
        browser = requests.Session()
        browser.trust_env = False
        browser.cookies.set("person", person, domain="127.0.0.1")
        back = browser.get(f"{self.address}/auth/login/oidc?next={self.address}/", timeout=120)
        assert any(each.url.startswith(self.provider) for each in back.history), [each.url for each in back.history]
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
def site(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, port, provider_port = tmp_path_factory.mktemp(DATABASE), free_port(), free_port()
    site = Site(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{provider_port}")
    secret = secrets.token_hex(16)
    env = stack.env | settings_of(COMPONENT / "oidc.env") | changed(stack, site.provider, secret, folder)
    stack.postgres.make(DATABASE, DATABASE)
    stack.airflow("db", "migrate", env=env)
    airflow = [str(stack.environment / "bin/airflow"), "api-server", "--host", "127.0.0.1", "--port", str(port)]
    provider = [str(stack.environment / "bin/python"), str(PROVIDER), str(provider_port)]
    client = {"CLIENT_SECRET": secret, "REDIRECT_URI": f"{site.address}/auth/oauth-authorized/oidc"}
    with (
        listening(Process("provider", provider, logs=stack.logs, env=stack.env | client), provider_port),
        listening(Process(DATABASE, airflow, logs=stack.logs, env=env), port),
    ):
        yield site


@contextmanager
def listening(process: Process, port: int) -> Iterator[None]:
    """A program from when it listens; it says what it has logged when anything fails."""
    try:
        wait_until(f"{process.name} listens", lambda: process.check() and accepts(port), 300)
        yield
    except BaseException:
        print(process.tail())
        raise
    finally:
        process.end()


def changed(stack: Stack, provider: str, secret: str, folder: Path) -> dict[str, str]:
    """What an overlay sets, and what the component's patches do in a pod."""
    (folder / "client-secret").write_text(f"{secret}\n")
    settings = settings_of(CHECKOUT / "base/config/airflow.env")
    return {
        "AIRFLOW__CORE__AUTH_MANAGER": settings["AIRFLOW__CORE__AUTH_MANAGER"],
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": stack.connection(DATABASE),
        "AIRFLOW__FAB__CACHE_TTL": "2",  # the component's pods wait for 30 seconds
        "AIRFLOW__FAB__CONFIG_FILE": str(COMPONENT / "webserver_config.py"),
        "OIDC_CLIENT_SECRET_FILE": str(folder / "client-secret"),
        "OIDC_ISSUER": provider,
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
    words = {"username": person, "password": "anything"}
    answer = requests.post(f"{site.address}/auth/token", json=words, timeout=120)
    assert answer.status_code in (400, 401), answer.text
