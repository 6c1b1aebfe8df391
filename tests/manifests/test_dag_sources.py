"""The sources of DAGs without a sidecar: in the image, by Airflow's Git bundle, or on one volume."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.manifests import test_pods as pod_rules
from tests.manifests import test_references as reference_rules
from tests.manifests.stack import build, containers, environment, name, of_kind, strings, tiers
from tests.manifests.test_components import overlay_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.manifests.stack import Object

READERS = {"dag-processor", "triggerer", "worker"}
WITHOUT_GITSYNC = ["embedded-dags", "git-dag-bundle"]
RULES = (
    pod_rules.test_pod_security_restricted,
    pod_rules.test_containers_are_restricted_and_read_only,
    pod_rules.test_what_writes_can_write,
    pod_rules.test_secrets_are_readable_by_their_user_alone,
    pod_rules.test_requests_and_memory_limits,
    pod_rules.test_probes,
    pod_rules.test_each_tier_has_the_secrets_that_it_may_have,
    pod_rules.test_secrets_are_in_files_not_in_the_environment,
    reference_rules.test_config_maps_and_their_keys_are_there,
    reference_rules.test_every_config_map_is_read,
    reference_rules.test_services_select_the_pods_of_one_workload_and_a_port_of_theirs,
    reference_rules.test_workloads_and_budgets_select_the_pods_of_one_workload,
    reference_rules.test_volumes_are_there_and_mounted,
    reference_rules.test_variables_in_values_are_set,
    reference_rules.test_everything_that_selects_names_the_instance,
)


def built(directory: Path, *components: str) -> tuple[Object, ...]:
    """Return the base with these components, in this order."""
    return build(overlay_of(components, directory))


@pytest.mark.parametrize("source", ["embedded-dags", "git-dag-bundle", "shared-dags"])
def test_the_rules_of_the_stack_hold(source: str, tmp_path: Path) -> None:
    objects = built(tmp_path, source)
    for rule in RULES:
        rule(objects)


@pytest.mark.parametrize("other", ["high-availability", "executor-local", "executor-kubernetes", "network-policy"])
@pytest.mark.parametrize("source", WITHOUT_GITSYNC)
def test_nothing_of_gitsync_is_left_in_either_order(source: str, other: str, tmp_path: Path) -> None:
    for order in (source, other), (other, source):
        objects = built(tmp_path, *order)
        assert not [
            each for each in objects if name(each).startswith("qq-9-gitsync") and each["kind"] != "NetworkPolicy"
        ]
        for tier, pod in tiers(objects).items():
            assert not [each["name"] for each in containers(pod) if "gitsync" in each["name"]], (tier, order)
            assert not [value for _path, value in strings(pod) if "GITSYNC" in value], (tier, order)


@pytest.mark.parametrize("source", WITHOUT_GITSYNC)
def test_the_bundle_is_airflows_own(source: str, tmp_path: Path) -> None:
    objects = built(tmp_path, source)
    for tier in READERS:
        (airflow,) = tiers(objects)[tier]["containers"]
        (bundle,) = json.loads(environment(objects, airflow)["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
        assert bundle["classpath"].startswith("airflow."), tier


def test_a_shared_volume_is_written_by_one_pod(tmp_path: Path) -> None:
    objects = built(tmp_path, "shared-dags")
    pods = tiers(objects)
    claims = {
        tier: volume["persistentVolumeClaim"]
        for tier, pod in pods.items()
        for volume in pod["volumes"]
        if volume["name"] == "dags"
    }
    assert claims.pop("shared-dags") == {"claimName": "qq-9-dags"}
    assert claims == {each: {"claimName": "qq-9-dags", "readOnly": True} for each in READERS}


def test_a_shared_volume_is_one_member(tmp_path: Path) -> None:
    members = [
        name(each)
        for each in of_kind(built(tmp_path, "shared-dags"), "Deployment", "StatefulSet")
        if each["spec"]["template"]["metadata"]["labels"].get("kube-airflow/gitsync") == "member"
    ]
    assert members == ["qq-9-shared-dags"]
