"""The component network-policy, enforced by kube-router. Each test continues the one before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.lab.addons import kube_router
from hack.lab.node.plan import plan_from_environment
from hack.progress import step
from tests.cluster.instances import SAYING, eventually
from tests.manifests.network import Flow
from tests.manifests.stack import tier
from tests.manifests.test_network import DOORS, between

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.lab.node.plan import Plan
    from hack.operate.instance import Instance
    from tests.cluster.instances import UnderTest
    from tests.components.trial import Trial

NAME = "closed"
STRANGER, GUEST, SIBLING = "stranger", "guest", "sibling"
OWN = "git-server"
"""What overlays/dev adds to the stack."""
TRY = """
for there in {targets}; do
  timeout 10 bash -c "exec 3<> /dev/tcp/${{there/:/\\/}}" 2> /dev/null && echo "$there" &
done
wait
"""


def own_policies(host: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What dev needs beyond the component: patches for its Git server and for the host of the tests, and a policy."""
    here = {"ipBlock": {"cidr": f"{host}/32"}}
    server, gitsync = ({"podSelector": {"matchLabels": {"app.kubernetes.io/name": name}}} for name in (OWN, "gitsync"))
    ports = [{"port": 8080}]

    def added(name: str, path: str, value: object) -> dict[str, Any]:
        operation = {"op": "add", "path": f"/spec/{path}/-", "value": value}
        return {"target": {"kind": "NetworkPolicy", "name": name}, "patch": yaml.safe_dump([operation])}

    patches = [
        added("gitsync", "egress", {"to": [server], "ports": ports}),
        added("api-server", "ingress", {"from": [here], "ports": ports}),
    ]
    rules = [{"from": [gitsync, here], "ports": ports}]
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": OWN}}
    return patches, {**policy, "spec": {**server, "policyTypes": ["Ingress"], "ingress": rules}}


@pytest.fixture(scope="module")
def plan() -> Iterator[Plan]:
    plan = plan_from_environment()
    yield plan
    kube_router.down(plan)


@pytest.fixture(scope="module")
def instance(lasting_trial: Trial, plan: Plan) -> UnderTest:
    """A stack with the component, and three pods that do nothing: two strangers, and a worker of another prefix."""
    patches, policy = own_policies(plan.host_address)
    folder = lasting_trial.directory / OWN
    folder.mkdir()
    (folder / "policy.yaml").write_text(json.dumps(policy))
    (folder / "kustomization.yaml").write_text("resources: [policy.yaml]\n")
    made = lasting_trial.instance(NAME, "network-policy", resources=[f"../{OWN}"], patches=patches)
    found = lasting_trial.run(made, say=SAYING.format(name="say", mark="one"))
    lasting_trial.cluster.run("create", "namespace", GUEST)
    lasting_trial.made.append(GUEST)
    template = made.get("statefulset", f"{NAME}-worker")["spec"]["template"]
    make_pod(made, STRANGER, NAME, {"app.kubernetes.io/name": "airflow"})
    make_pod(made, SIBLING, NAME, {**template["metadata"]["labels"], "kube-airflow/instance": "other"})
    make_pod(made, GUEST, GUEST, {})
    return found


def make_pod(instance: Instance, name: str, namespace: str, labels: dict[str, str]) -> None:
    """A pod that sleeps, in an image that the node has, as restricted as the stack's."""
    (worker,) = instance.get("statefulset", f"{NAME}-worker")["spec"]["template"]["spec"]["containers"]
    safe = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    container = {
        "name": "main",
        "image": worker["image"],
        "imagePullPolicy": "Never",
        "command": ["sleep", "3600"],
        "securityContext": {**safe, "runAsUser": 50000, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    specification = {"containers": [container], "automountServiceAccountToken": False, "enableServiceLinks": False}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels}}
    instance.cluster.run("apply", "-f", "-", stdin=json.dumps({**pod, "spec": specification}))
    instance.cluster.run("wait", "--for=condition=Ready", f"pod/{name}", f"--namespace={namespace}", "--timeout=120s")


def pods(instance: Instance) -> dict[str, Any]:
    """The running pods of the stack by tier, without those that are about to leave."""
    found = instance.get("pods", "--selector", instance.selector, "--field-selector", "status.phase=Running")["items"]
    return {tier(each): each for each in found if tier(each) != OWN and "deletionTimestamp" not in each["metadata"]}


def ports(pod: dict[str, Any]) -> set[int]:
    containers = (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    return {port["containerPort"] for each in containers for port in each.get("ports", ()) if "hostPort" not in port}


def reached(instance: Instance, pod: str, namespace: str = NAME) -> set[tuple[str, int]]:
    """Which ports of which tiers a pod can open a connection to, by their own addresses."""
    places = {
        f"{each['status']['podIP']}:{port}": (name, port)
        for name, each in pods(instance).items()
        for port in ports(each)
        if each["metadata"]["name"] != pod
    }
    script = TRY.format(targets=" ".join(places))
    answer = instance.cluster.run("--namespace", namespace, "exec", pod, "--", "bash", "-c", script)
    return {places[line] for line in answer.split()}


def reached_by_name(instance: Instance, pod: str) -> set[str]:
    """The same by the Services of the stack."""
    services = instance.get("services", "--selector", instance.selector)["items"]
    places = [f"{each['metadata']['name']}:{port['port']}" for each in services for port in each["spec"]["ports"]]
    return set(instance.kubectl("exec", pod, "--", "bash", "-c", TRY.format(targets=" ".join(places))).split())


def test_1_without_a_plugin_policies_are_only_paper(instance: UnderTest) -> None:
    for pod in (STRANGER, SIBLING):
        found = reached(instance.instance, pod)
        assert {("postgres", 5432), ("rabbitmq", 5672), ("api-server", 8080), ("gitsync", 8080)} <= found
    assert f"{NAME}-postgres:5432" in reached_by_name(instance.instance, STRANGER)


def test_2_with_one_a_stranger_reaches_nothing(instance: UnderTest, plan: Plan) -> None:
    kube_router.up(plan)
    made = instance.instance
    for pod, namespace in ((STRANGER, NAME), (SIBLING, NAME), (GUEST, GUEST)):
        eventually(lambda: not reached(made, pod, namespace), f"{pod} reaches nothing", made.findings)  # noqa: B023 - called at once
    assert not reached_by_name(made, STRANGER)


def test_3_every_tier_starts_anew(instance: UnderTest) -> None:
    made, before = instance.instance, pods(instance.instance)
    made.kubectl("rollout", "restart", "deployment,statefulset", "--selector", made.selector)
    with step("a restart behind the policies") as current:
        made.wait_until_ready(current)
    after = pods(made)
    assert before.keys() == after.keys()
    assert not [name for name in before if before[name]["metadata"]["uid"] == after[name]["metadata"]["uid"]]


def test_4_a_push_is_published_and_its_run_and_log_are_seen(instance: UnderTest) -> None:
    revision = instance.push(
        say=SAYING.format(name="say", mark="two").replace("return", "print('said here')\n        return")
    )
    instance.wait_published(revision)
    instance.wait_listed("say", revision)
    run = instance.airflow.trigger("say")
    assert instance.wait_run(run, "say")["bundle_version"] == revision
    assert instance.result(run, "say", "say") == "two"
    assert "said here" in str(instance.airflow.ask("GET", f"/dags/say/dagRuns/{run}/taskInstances/say/logs/1"))


def test_5_between_tiers_goes_what_is_listed_and_nothing_else(instance: UnderTest) -> None:
    made, there = instance.instance, pods(instance.instance)
    expected = {flow for flow in between(there) if flow.protocol == "TCP" and flow.source != flow.target}
    found = {
        Flow(source, target, port)
        for source, pod in there.items()
        for target, port in reached(made, pod["metadata"]["name"])
    }
    assert {str(flow) for flow in found} == {str(flow) for flow in expected}


def test_6_strangers_still_reach_nothing(instance: UnderTest) -> None:
    for pod in (STRANGER, SIBLING):
        assert not reached(instance.instance, pod)
        assert not reached_by_name(instance.instance, pod)


@pytest.mark.parametrize("label", DOORS)
def test_7_a_label_on_a_namespace_opens_what_that_is_for(instance: UnderTest, label: str) -> None:
    made, there = instance.instance, pods(instance.instance)
    expected = {door for door in DOORS[label] if door[1] in ports(there[door[0]])}
    made.cluster.run("label", "namespace", GUEST, f"kube-airflow/{label}=allowed")
    eventually(lambda: reached(made, GUEST, GUEST) == expected, f"{label} opens {expected}", made.findings)
    made.cluster.run("label", "namespace", GUEST, f"kube-airflow/{label}-")
    eventually(lambda: not reached(made, GUEST, GUEST), f"without {label} nothing is open", made.findings)


def test_8_without_the_plugin_they_are_paper_again(instance: UnderTest, plan: Plan) -> None:
    kube_router.down(plan)
    assert ("postgres", 5432) in reached(instance.instance, STRANGER)
