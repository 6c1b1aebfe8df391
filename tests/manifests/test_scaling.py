"""More workers: a second set of workers, and the components that set the number of workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.manifests import test_pods as pod_rules
from tests.manifests import test_references as reference_rules
from tests.manifests.crds import problems
from tests.manifests.stack import ROOT, build, environment, name, names, of_kind
from tests.manifests.test_components import overlay_of
from tests.manifests.test_configuration import settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.manifests.stack import Object

RULES = (
    pod_rules.test_pod_security_restricted,
    pod_rules.test_containers_are_restricted_and_read_only,
    pod_rules.test_requests_and_memory_limits,
    reference_rules.test_config_maps_and_their_keys_are_there,
    reference_rules.test_every_config_map_is_read,
    reference_rules.test_services_select_the_pods_of_one_workload_and_a_port_of_theirs,
    reference_rules.test_workloads_and_budgets_select_the_pods_of_one_workload,
    reference_rules.test_stateful_sets_are_named_by_their_services,
    reference_rules.test_volumes_are_there_and_mounted,
    reference_rules.test_everything_that_selects_names_the_instance,
)
SCALERS = ["autoscaling-hpa", "autoscaling-keda"]


def built(directory: Path, *components: str) -> tuple[Object, ...]:
    """Return the base with these components, in this order."""
    return build(overlay_of(components, directory))


def workers(objects: tuple[Object, ...], suffix: str = "") -> Object:
    """Return the StatefulSet of a set of workers."""
    (found,) = (each for each in of_kind(objects, "StatefulSet") if name(each) == f"qq-9-worker{suffix}")
    return found


def test_a_second_set_follows_the_rules_and_has_what_is_its_own(tmp_path: Path) -> None:
    objects = built(tmp_path, "extra-queue")
    for rule in RULES:
        rule(objects)
    first, second = (workers(objects, each)["spec"]["template"]["spec"] for each in ("", "-extra"))
    assert second["containers"][0]["args"][-2:] == ["--queues", "extra"]
    assert second["volumes"] == first["volumes"]
    assert second["initContainers"] == first["initContainers"]
    assert environment(objects, second["containers"][0])["AIRFLOW__CELERY__WORKER_CONCURRENCY"] == "1"


def test_what_scales_workers_leaves_a_second_set_alone(tmp_path: Path) -> None:
    for component in ("high-availability", *SCALERS):
        for order in (component, "extra-queue"), ("extra-queue", component):
            assert workers(built(tmp_path, *order), "-extra")["spec"]["replicas"] == 1, order


@pytest.mark.parametrize("scaler", SCALERS)
def test_applying_again_does_not_set_the_number_of_workers_back(scaler: str, tmp_path: Path) -> None:
    for order in (scaler,), (scaler, "high-availability"), ("high-availability", scaler):
        assert "replicas" not in workers(built(tmp_path, *order))["spec"], order


@pytest.mark.parametrize("scaler", SCALERS)
def test_the_target_is_there(scaler: str, tmp_path: Path) -> None:
    objects = built(tmp_path, scaler)
    (found,) = of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")
    assert found["spec"]["scaleTargetRef"]["name"] in names(objects, "StatefulSet")


def test_keda_counts_tasks_by_what_a_worker_takes(tmp_path: Path) -> None:
    objects = built(tmp_path, "autoscaling-keda")
    (found,) = of_kind(objects, "ScaledObject")
    (trigger,) = found["spec"]["triggers"]
    concurrency = settings("worker/worker.env")["AIRFLOW__CELERY__WORKER_CONCURRENCY"]
    assert trigger["metadata"]["targetQueryValue"] == concurrency
    (authentication,) = of_kind(objects, "TriggerAuthentication")
    assert trigger["authenticationRef"]["name"] == name(authentication)
    assert {each["name"] for each in authentication["spec"]["secretTargetRef"]} == {"qq-9-keda"}
    role = (ROOT / "base/components/autoscaling-keda/role.sql").read_text()
    assert "grant select (state, queue) on task_instance to keda;" in role


def test_kedas_objects_are_as_its_definitions_have_them(tmp_path: Path) -> None:
    for each in of_kind(built(tmp_path, "autoscaling-keda"), "ScaledObject", "TriggerAuthentication"):
        assert not problems(each)
