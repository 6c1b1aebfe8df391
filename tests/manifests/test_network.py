"""The policies of the component network-policy, compared in both directions with the observed flows."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.manifests.network import OUTSIDE, Flow, Network, Place, pods
from tests.manifests.stack import ROOT, build, containers, of_kind, tiers
from tests.manifests.test_components import overlay_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.manifests.stack import Object

FLOWS = ROOT / "base/components/network-policy/flows.yaml"
UNUSED = 4444
"""A port that nothing listens at."""
DOORS = {
    "ingress": {("api-server", 8080), ("flower", 5555), ("gitsync", 8080)},
    "monitoring": {("gitsync", 8080), ("rabbitmq", 15692)},
    "autoscaling": {("postgres", 5432)},
}
"""What pods of a namespace with such a label may reach."""
OUTWARD = {"gitsync": {22, 443, 6443}}
"""Where tiers may go outside of the cluster, beside name servers; workers and triggerers may go anywhere."""
ANYWHERE = {"triggerer", "worker"}
OUTWARD_BY_LABEL = {
    "kube-airflow/outside-database": {5432},
    "kube-airflow/outside-broker": {5671, 5672, 6379, 6380},
}


@pytest.fixture(
    scope="module",
    params=[("network-policy",), ("network-policy", "redis", "pgbouncer"), ("external-postgres", "network-policy")],
    ids="-".join,
)
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Object, ...]:
    """The stack with the component, and with others that change who talks to whom."""
    return build(overlay_of(request.param, tmp_path_factory.mktemp("network")))


def observed() -> set[Flow]:
    return {
        Flow(each["from"], each["to"], each["port"], each.get("protocol", "TCP"))
        for each in yaml.safe_load(FLOWS.read_text())
    }


def policies(objects: tuple[Object, ...]) -> tuple[Object, ...]:
    return tuple(of_kind(objects, "NetworkPolicy"))


def ports(objects: tuple[Object, ...]) -> set[int]:
    """Every port that a container or a policy names, and one that none does."""
    listening = {
        port["containerPort"]
        for pod in tiers(objects).values()
        for container in containers(pod)
        for port in container.get("ports", [])
    }
    rules = [
        rule for each in policies(objects) for side in ("ingress", "egress") for rule in each["spec"].get(side, [])
    ]
    return {UNUSED, *listening, *(port["port"] for rule in rules for port in rule.get("ports", []))}


def between(places: Iterable[str]) -> set[Flow]:
    """Return the observed flows whose both ends are among some places."""
    return {flow for flow in observed() if {flow.source, flow.target} <= set(places)}


def test_an_observed_flow_is_allowed(objects: tuple[Object, ...]) -> None:
    network, there = Network(policies(objects)), {**pods(objects), "outside": OUTSIDE}
    denied = {
        str(flow)
        for flow in between(there)
        if not network.allows(there[flow.source], there[flow.target], flow.port, flow.protocol)
    }
    assert not denied


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "SCTP"])
def test_nothing_else_is_allowed_between_tiers(protocol: str, objects: tuple[Object, ...]) -> None:
    network = Network(policies(objects), blocks_mean_pods=True)
    allowed = {
        Flow(source, target, port, protocol)
        for (source, here), (target, there) in itertools.product(pods(objects).items(), repeat=2)
        for port in ports(objects)
        if network.allows(here, there, port, protocol)
    }
    assert allowed == {each for each in between(pods(objects)) if each.protocol == protocol}


def test_two_prefixes_in_a_namespace_cannot_reach_each_other(tmp_path: Path) -> None:
    ours, theirs = (build(overlay_of(("network-policy",), tmp_path / each, each)) for each in ("one", "two"))
    network = Network((*policies(ours), *policies(theirs)), blocks_mean_pods=True)
    for here, there in itertools.product(pods(ours).values(), pods(theirs).values()):
        for port in ports(ours):
            assert not network.allows(here, there, port), f"{here} reaches {there} at {port}"
            assert not network.allows(there, here, port), f"{there} reaches {here} at {port}"


@pytest.mark.parametrize("namespace", ["airflow", "elsewhere"])
def test_a_stranger_reaches_nothing_and_is_reached_by_dag_code_alone(
    namespace: str, objects: tuple[Object, ...]
) -> None:
    network, stranger = Network(policies(objects)), Place({"app.kubernetes.io/name": "airflow"}, namespace)
    for tier, pod in pods(objects).items():
        assert not [port for port in ports(objects) if network.allows(stranger, pod, port)], tier
        assert not [port for port in ports(objects) if network.allows(OUTSIDE, pod, port)], tier
        assert not network.allows(pod, stranger, UNUSED), tier


@pytest.mark.parametrize("label", DOORS)
def test_a_namespace_with_a_label_reaches_what_that_is_for(label: str, objects: tuple[Object, ...]) -> None:
    network, guest = Network(policies(objects)), Place({}, "elsewhere", {f"kube-airflow/{label}": "allowed"})
    there = pods(objects)
    reached = {
        (tier, port) for tier, pod in there.items() for port in ports(objects) if network.allows(guest, pod, port)
    }
    assert reached == {door for door in DOORS[label] if door[0] in there}


def test_only_dag_code_goes_anywhere(objects: tuple[Object, ...]) -> None:
    network = Network(policies(objects))
    for tier, pod in pods(objects).items():
        outward = {port for port in ports(objects) if network.allows(pod, OUTSIDE, port)} - {53}
        expected = ports(objects) - {53} if tier in ANYWHERE else OUTWARD.get(tier, set())
        labels = [key for key in OUTWARD_BY_LABEL if key in pod.labels]
        assert outward == expected.union(*(OUTWARD_BY_LABEL[key] for key in labels)), tier
        allowed = Place({**pod.labels, "kube-airflow/outside": "allowed"}, pod.namespace)
        assert network.allows(allowed, OUTSIDE, UNUSED), tier
