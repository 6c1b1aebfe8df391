"""The components ingress and gateway: a request reaches the server that handles its path."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.manifests import crds
from tests.manifests.stack import build, environment, name, of_kind, tiers
from tests.manifests.test_components import overlay_of
from tests.manifests.test_databases import RULES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.manifests.stack import Object

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
ASKING = {"api-server", "dag-processor", "scheduler", "triggerer", "worker"}


@pytest.fixture(
    scope="module", params=[("ingress",), ("gateway",), ("ingress", "gateway", "network-policy")], ids="-".join
)
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Object, ...]:
    """The stack with a way in."""
    return build(overlay_of(request.param, tmp_path_factory.mktemp("ways")))


def ways_in(objects: tuple[Object, ...]) -> list[tuple[str, dict[str, tuple[str, object]]]]:
    """Return each way's host, and by path which Service and port it leads to."""
    found = []
    for each in of_kind(objects, "Ingress"):
        (rule,) = each["spec"]["rules"]
        backends = {path["path"]: path["backend"]["service"] for path in rule["http"]["paths"]}
        found.append((rule["host"], {path: (to["name"], to["port"]["name"]) for path, to in backends.items()}))
    for each in of_kind(objects, "HTTPRoute"):
        assert not crds.problems(each)
        routes = {rule["matches"][0]["path"]["value"]: rule["backendRefs"][0] for rule in each["spec"]["rules"]}
        found.append((each["spec"]["hostnames"][0], {path: (to["name"], to["port"]) for path, to in routes.items()}))
    return found


def test_the_rules_of_the_stack_hold(objects: tuple[Object, ...]) -> None:
    for rule in RULES:
        rule(objects)


def test_every_way_leads_to_services_and_ports_of_theirs(objects: tuple[Object, ...]) -> None:
    services = {name(each): each["spec"]["ports"] for each in of_kind(objects, "Service")}
    assert ways_in(objects)
    for _host, paths in ways_in(objects):
        for service, port in paths.values():
            assert port in {each[key] for each in services[service] for key in ("name", "port")}


def test_both_sides_of_a_way_have_the_same_path(objects: tuple[Object, ...]) -> None:
    airflow, flower = (environment(objects, tiers(objects)[tier]["containers"][0]) for tier in ("api-server", "flower"))
    seen = urlsplit(airflow["AIRFLOW__API__BASE_URL"])
    prefix = flower["AIRFLOW__CELERY__FLOWER_URL_PREFIX"]
    expected = {seen.path: "qq-9-api-server", prefix: "qq-9-flower", f"{prefix}/metrics": "qq-9-api-server"}
    for host, paths in ways_in(objects):
        assert host == seen.hostname
        assert {path: service for path, (service, _port) in paths.items()} == expected


def test_probes_and_pods_ask_by_that_path(objects: tuple[Object, ...]) -> None:
    pods = tiers(objects)
    airflow, flower = (pods[tier]["containers"][0] for tier in ("api-server", "flower"))
    path = urlsplit(environment(objects, airflow)["AIRFLOW__API__BASE_URL"]).path
    prefix = environment(objects, flower)["AIRFLOW__CELERY__FLOWER_URL_PREFIX"]
    assert [airflow[probe]["httpGet"]["path"].removeprefix(path) for probe in PROBES] == [
        "/api/v2/version", "/execution/health", "/api/v2/version",
    ]  # fmt: skip
    assert {flower[probe]["httpGet"]["path"] for probe in PROBES} == {f"{prefix}/healthcheck"}
    for tier in ASKING:
        found = environment(objects, pods[tier]["containers"][0])
        assert found["API_SERVER_PATH"] == path, tier
        assert "$(API_SERVER_PATH)/execution/" in found["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"], tier


@pytest.mark.parametrize(
    "order", [("ingress", "gateway", "../without/flower"), ("../without/flower", "gateway", "ingress")]
)
def test_without_flower_its_path_leads_to_airflow(order: tuple[str, ...], tmp_path: Path) -> None:
    objects = build(overlay_of(order, tmp_path))
    assert not [each for each in objects if name(each).startswith("qq-9-flower") and each["kind"] != "NetworkPolicy"]
    ways = ways_in(objects)
    assert len(ways) == 2
    for _host, paths in ways:
        assert paths["/airflow/flower"] == paths["/airflow"]
