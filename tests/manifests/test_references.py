"""Every name refers to an object of the same build, under a prefix that the base cannot know."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.manifests.conftest import directory
from tests.manifests.stack import (
    OVERLAYS,
    ROOT,
    WORKLOADS,
    build,
    containers,
    environment,
    hosts,
    name,
    names,
    of_kind,
    overlay_over,
    secret_files,
    selects,
    strings,
    tiers,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.manifests.stack import Object

RENDERED_FROM = {
    "sql_alchemy_conn": "airflow-password",
    "result_backend": "celery-password",
    "broker_url": "rabbitmq-password",
}
"""What the container that waits makes of which password."""


def test_everything_has_the_prefix(prefixed: tuple[Object, ...], prefix: str) -> None:
    assert prefix.startswith("qq-9-")
    assert [name(each) for each in prefixed if not name(each).startswith(prefix)] == []


def test_config_maps_and_their_keys_are_there(prefixed: tuple[Object, ...]) -> None:
    data = {name(each): each.get("data", {}) for each in of_kind(prefixed, "ConfigMap")}
    for pod in tiers(prefixed).values():
        for volume in pod["volumes"]:
            if "configMap" in volume:
                keys = {item["key"] for item in volume["configMap"].get("items", [])}
                assert keys <= data[volume["configMap"]["name"]].keys()
        for container in containers(pod):
            assert environment(prefixed, container) is not None  # fails on a name or a key that is missing


def test_every_config_map_is_read(prefixed: tuple[Object, ...]) -> None:
    templates = json.dumps([each["spec"] for each in of_kind(prefixed, *WORKLOADS, "CronJob")])
    written_to = {each for each in names(prefixed, "ConfigMap") if each.endswith("gitsync-state")}
    assert {each for each in names(prefixed, "ConfigMap") if f'"{each}"' not in templates} == written_to


def test_secrets_are_those_that_hack_secrets_makes(prefixed: tuple[Object, ...], prefix: str, tmp_path: Path) -> None:
    command = [str(ROOT / "hack/kube-airflow"), "secrets", "--prefix", prefix, "--dev", "--output", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    made = {path.stem: json.loads(path.read_text())["stringData"].keys() for path in tmp_path.iterdir()}
    for pod in tiers(prefixed).values():
        wanted = [each for files in secret_files(pod).values() for each in files.values()]
        wanted += [(each["name"], each["key"]) for each in variables_from_secrets(pod)]
        assert [each for each in wanted if each[1] not in made.get(each[0], {})] == []
        assert {each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each} <= made.keys()


def variables_from_secrets(pod: Object) -> list[Object]:
    variables = [each for container in containers(pod) for each in container.get("env", [])]
    return [each["valueFrom"]["secretKeyRef"] for each in variables if "secretKeyRef" in each.get("valueFrom", {})]


def test_hosts_are_services(prefixed: tuple[Object, ...]) -> None:
    for found in of_kind(prefixed, "ConfigMap"):
        assert hosts(found) <= names(prefixed, "Service")


def test_no_url_contains_a_host_of_ours(prefixed: tuple[Object, ...]) -> None:
    for found in prefixed:
        for path, value in strings(found):
            for host in re.findall(r"://(?:[^@/\s]*@)?([^/:\s\"']+)", value):
                assert host.startswith("$") or "." in host, f"{found['kind']} {path}: {value}"


def test_services_select_the_pods_of_one_workload_and_a_port_of_theirs(prefixed: tuple[Object, ...]) -> None:
    for service in of_kind(prefixed, "Service"):
        (template,) = chosen(prefixed, service["spec"]["selector"])
        ports = {port["name"] for each in containers(template["spec"]) for port in each.get("ports", [])}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def chosen(objects: tuple[Object, ...], selector: dict[str, str]) -> list[Object]:
    """Return the pod templates that a selector chooses."""
    templates = [each["spec"]["template"] for each in of_kind(objects, *WORKLOADS)]
    return [each for each in templates if selects(selector, each["metadata"]["labels"])]


def test_workloads_and_budgets_select_the_pods_of_one_workload(prefixed: tuple[Object, ...]) -> None:
    for found in of_kind(prefixed, "Deployment", "StatefulSet", "PodDisruptionBudget"):
        (template,) = chosen(prefixed, found["spec"]["selector"]["matchLabels"])
        assert template == found["spec"].get("template", template)


def test_stateful_sets_are_named_by_their_services(prefixed: tuple[Object, ...]) -> None:
    for found in of_kind(prefixed, "StatefulSet"):
        assert found["spec"]["serviceName"] == name(found)
        assert name(found) in names(prefixed, "Service")


def test_log_servers_are_found_while_their_pods_start_and_drain(prefixed: tuple[Object, ...], prefix: str) -> None:
    services = {name(each).removeprefix(prefix): each["spec"] for each in of_kind(prefixed, "Service")}
    for tier in ("worker", "triggerer"):
        assert services[tier]["clusterIP"] == "None"
        assert services[tier]["publishNotReadyAddresses"]


def test_volumes_are_there_and_mounted(prefixed: tuple[Object, ...]) -> None:
    for found in of_kind(prefixed, *WORKLOADS):
        pod = found["spec"]["template"]["spec"]
        there = {each["name"] for each in [*pod["volumes"]]}
        there |= {name(each) for each in found["spec"].get("volumeClaimTemplates", [])}
        assert {each["name"] for container in containers(pod) for each in container["volumeMounts"]} == there


def test_the_service_account_may_what_it_needs_on_objects_that_are_there(prefixed: tuple[Object, ...]) -> None:
    (account,), (role,), (binding,) = (of_kind(prefixed, kind) for kind in ("ServiceAccount", "Role", "RoleBinding"))
    assert binding["roleRef"]["name"] == name(role)
    assert [(each["name"], each["namespace"]) for each in binding["subjects"]] == [(name(account), "airflow")]
    assert tiers(prefixed)["gitsync"]["serviceAccountName"] == name(account)
    for rule in role["rules"]:
        if rule["resources"] == ["configmaps"]:
            assert set(rule["resourceNames"]) <= names(prefixed, "ConfigMap")


def test_gitsync_finds_the_objects_that_it_writes(prefixed: tuple[Object, ...]) -> None:
    found = environment(prefixed, tiers(prefixed)["gitsync"]["containers"][0])
    (state,) = (each for each in of_kind(prefixed, "ConfigMap") if name(each) == found["GITSYNC_STATE"])
    assert not state.keys() & {"data"}, "applying it again would take it from who wrote it"


def test_gitsync_makes_its_lease_which_argo_cd_would_not_deploy(prefixed: tuple[Object, ...]) -> None:
    assert not of_kind(prefixed, "Lease")
    lease = environment(prefixed, tiers(prefixed)["gitsync"]["containers"][0])["GITSYNC_LEASE"]
    (role,) = (each for each in of_kind(prefixed, "Role") if name(each).endswith("-gitsync"))
    rules = [each for each in role["rules"] if each["resources"] == ["leases"]]
    assert {verb for each in rules for verb in each["verbs"]} >= {"create", "get", "update", "patch"}
    assert {one for each in rules for one in each.get("resourceNames", ())} == {lease}
    assert lease.endswith("-gitsync")


def test_gitsync_settings_use_what_their_container_has(prefixed: tuple[Object, ...]) -> None:
    pod = tiers(prefixed)["gitsync"]
    (container,) = (each for each in pod["containers"] if each["name"] == "gitsync")
    (settings,) = (each["data"]["gitsync.yaml"] for each in prefixed if "gitsync.yaml" in each.get("data", {}))
    assert set(re.findall(r"\$\{(\w+)\}", settings)) <= environment(prefixed, container).keys()
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    files = [value for path, value in strings(yaml.safe_load(settings)) if path.endswith("_file")]
    assert files
    assert {each.rpartition("/")[0] for each in files} <= mounts


def test_variables_in_values_are_set(prefixed: tuple[Object, ...]) -> None:
    for pod in tiers(prefixed).values():
        for container in containers(pod):
            used = {each for _path, value in strings(container) for each in re.findall(r"\$\((\w+)\)", value)}
            assert used <= environment(prefixed, container).keys()


def test_the_files_that_airflow_reads_are_in_the_pod(prefixed: tuple[Object, ...]) -> None:
    for tier, pod in tiers(prefixed).items():
        files = secret_files(pod).get("secrets", {}).keys()
        values = " ".join(value for each in pod["containers"] for value in environment(prefixed, each).values())
        assert set(re.findall(r"/etc/airflow/secrets/([\w-]+)", values)) <= files, tier
        assert {RENDERED_FROM[each] for each in re.findall(r"/run/airflow/(\w+)", values)} <= files, tier


def test_two_instances_in_a_namespace_never_meet(tmp_path: Path) -> None:
    everything = {
        overlay: build(overlay_over(directory(overlay), tmp_path / overlay, prefix="two-", instance="two-" + overlay))
        for overlay in OVERLAYS
    } | {f"plain {overlay}": build(directory(overlay)) for overlay in OVERLAYS}
    for first, ours in everything.items():
        for second, theirs in everything.items():
            if first != second:
                assert not meetings(ours, theirs), f"{first} selects pods of {second}"
                assert not {(each["kind"], name(each)) for each in ours} & {(o["kind"], name(o)) for o in theirs}


def meetings(ours: tuple[Object, ...], theirs: tuple[Object, ...]) -> list[str]:
    """Return which of our objects select pods of theirs."""
    found = []
    for each in ours:
        selectors = [value for path, value in mappings(each) if path.endswith((".selector", ".matchLabels"))]
        found += [name(each) for selector in selectors if "matchLabels" not in selector and chosen(theirs, selector)]
    return found


def mappings(value: object, path: str = "") -> list[tuple[str, dict[str, str]]]:
    """Return every mapping in an object with the path to it."""
    result: list[tuple[str, dict[str, str]]] = []
    if isinstance(value, dict):
        result.append((path, value))
        for key, item in value.items():
            result += mappings(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            result += mappings(item, f"{path}[]")
    return result


def test_everything_that_selects_names_the_instance(built: tuple[Object, ...]) -> None:
    for found in of_kind(built, "Service", "Deployment", "StatefulSet", "PodDisruptionBudget"):
        selector = found["spec"]["selector"]
        assert "kube-airflow/instance" in selector.get("matchLabels", selector), f"{found['kind']} {name(found)}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_instance_label_is_the_overlays_name(overlay: str) -> None:
    for each in of_kind(build(directory(overlay)), *WORKLOADS):
        assert each["spec"]["template"]["metadata"]["labels"]["kube-airflow/instance"] == overlay
