"""The components ingress and gateway behind Traefik: a browser and scripts reach Airflow by host name, over TLS."""

from __future__ import annotations

import json
import re
import socket
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest
import requests

from hack.lab.addons import traefik
from hack.lab.node.plan import plan_from_environment
from hack.lab.stack.airflow import Airflow
from hack.operate.instance import Instance
from tests.cluster.instances import eventually, lock_dag
from tests.cluster.overlays import dev_overlay, none_of
from tests.components.trial import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.lab.node.plan import Plan
    from tests.cluster.instances import UnderTest
    from tests.components.trial import Trial

NAME = "traffic"
HOST = "data.example.org"
SITE = f"https://{HOST}/airflow"
LOCK = lock_dag("one")


def get(path: str, **options: Any) -> requests.Response:
    return requests.get(f"{SITE}{path}", timeout=60, **options)


@pytest.fixture(scope="module")
def plan() -> Iterator[Plan]:
    """The node, with a controller on it; the host's name leads there, and who signed its certificate is trusted."""
    plan, ask = plan_from_environment(), socket.getaddrinfo
    traefik.up(plan)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **more: ask(plan.address if host == HOST else host, *rest, **more),
        )
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            changed.setenv(variable, str(plan.pki / "ca.crt"))
        yield plan
    traefik.down(plan)


@pytest.fixture(scope="module")
def instance(lasting_trial: Trial, plan: Plan) -> UnderTest:
    """With the component ingress; whatever is asked of Airflow's API goes through the controller."""
    made = lasting_trial.instance(NAME, "ingress", replicas=none_of("triggerer"), patches=said("ingress"))
    certificate, key = traefik.certificate(plan)
    made.kubectl("create", "secret", "tls", "data-example-org", f"--cert={certificate}", f"--key={key}")
    found = lasting_trial.run(made, **LOCK)
    found.airflow = Airflow(SITE, "admin", made.secret("airflow", "admin-password"))
    return found


@pytest.fixture(scope="module", params=["ingress", "gateway"])
def way(request: pytest.FixtureRequest, instance: UnderTest, lasting_trial: Trial) -> str:
    """First by an Ingress; then that is removed, and the same pods are reached by an HTTPRoute."""
    if request.param == "gateway":
        instance.instance.kubectl("delete", "ingress", f"{NAME}-airflow")
        eventually(lambda: get("/api/v2/version").status_code == 404, "without the Ingress nothing is there")
        pods = running(instance.instance)
        overlay = dev_overlay(
            lasting_trial.directory / "gateway",
            NAME,
            namespace=NAME,
            components=["gateway"],
            replicas=none_of("triggerer"),
            patches=said("gateway"),
        )
        Instance.of_overlay(lasting_trial.cluster, overlay).apply()
        assert running(instance.instance) == pods
    eventually(lambda: get("/api/v2/version").ok, f"the {request.param} leads to the api-server", instance.findings)
    return str(request.param)


def running(instance: Instance) -> set[str]:
    return {each["metadata"]["uid"] for each in instance.get("pods", "--selector", instance.selector)["items"]}


class Page(HTMLParser):
    """What a browser loads with a page."""

    def __init__(self, page: requests.Response) -> None:
        super().__init__()
        self.base, self.named = page.url, set[str]()
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        target = known.get("href" if tag in ("base", "link") else "src")
        if tag == "base" and target:
            self.base = urljoin(self.base, target)
        elif tag in ("img", "link", "script") and target and not target.startswith("data:"):
            self.named.add(urljoin(self.base, target))


def check_page(browser: requests.Session, address: str, root: str = SITE) -> requests.Response:
    """The page and all that it names are there, below ``root``."""
    page = browser.get(address, timeout=60)
    assert page.status_code == 200, f"{page.url}: {page.status_code} {page.text[:500]}"
    named = Page(page).named
    assert named, page.text
    answers = {each: browser.get(each, timeout=60).status_code for each in named}
    assert set(answers.values()) == {200}, answers
    assert all(each.startswith(f"{root}/") for each in (page.url, *named)), (page.url, named)
    return page


def test_a_browser_gets_the_page_and_logs_in(way: str, instance: UnderTest) -> None:
    """1. the page with all that it names; 2. it is sent to the login, and from there back; 3. it is somebody."""
    with requests.Session() as browser:
        check_page(browser, f"{SITE}/")
        assert browser.get(f"{SITE}/ui/config", timeout=60).status_code == 401
        login = check_page(browser, f"{SITE}/api/v2/auth/login?next={SITE}/")
        assert login.history, "it was not sent anywhere"
        assert all(each.headers["location"].startswith((SITE, "/airflow/")) for each in login.history)
        (token,) = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', login.text)
        words = {"username": "admin", "password": instance.airflow.password, "csrf_token": token}
        back = browser.post(login.url, words, headers={"Referer": login.url}, timeout=60)
        assert (back.status_code, back.url) == (200, f"{SITE}/"), back.text[:500]
        assert browser.get(f"{SITE}/ui/config", timeout=60).ok
        (cookie,) = (each for each in browser.cookies if each.name == "_token")
        assert (cookie.path, cookie.secure) == ("/airflow/", True)


def test_a_script_follows_a_run_and_reads_its_log(way: str, instance: UnderTest) -> None:
    """What Airflow streams arrives line by line, while the run still waits."""
    run = instance.start()
    path = f"/api/v2/dags/lock/dagRuns/{run}"
    token = requests.post(
        f"{SITE}/auth/token", json={"username": "admin", "password": instance.airflow.password}, timeout=60
    ).json()["access_token"]
    header = {"Authorization": f"Bearer {token}"}
    with get(f"{path}/wait?interval=1", headers=header, stream=True) as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines))["state"] == "running"
        instance.let_go()
        assert json.loads(list(lines)[-1])["state"] == "success"
    assert "first runs one" in get(f"{path}/taskInstances/first/logs/1", headers=header).text


def test_flower_has_its_own_login(way: str, instance: UnderTest) -> None:
    flower = f"{SITE}/flower"
    assert [get(path).status_code for path in ("/flower/", "/flower/workers", "/flower/api/workers")] == [401] * 3
    assert "celery@" not in get("/flower/metrics").text, "Flower says to everybody who works"
    with requests.Session() as browser:
        name, password = instance.instance.secret("flower", "basic-auth").split(":", 1)
        browser.auth = (name, password)
        for path in ("/", "/workers", "/tasks", "/broker"):
            page = check_page(browser, f"{flower}{path}", flower)
        assert f"celery@{NAME}-worker-0" in browser.get(f"{flower}/workers", timeout=60).text, page.text


def test_nothing_else_of_the_host_is_airflows(way: str) -> None:
    answers = {path: requests.get(f"https://{HOST}{path}", timeout=60) for path in ("/", "/airflowing", "/flower")}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 404)
