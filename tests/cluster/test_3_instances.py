"""Two instances in one namespace, awkward passwords, Pod Security enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.conftest import AWKWARD, PASSWORDS
from tests.cluster.instances import eventually

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest


def test_both_instances_run_dags(dev: UnderTest, unlocked: UnderTest) -> None:
    for under_test in (dev, unlocked):
        run = under_test.start()
        under_test.let_go()
        under_test.wait_run(run)
        host = under_test.task(run, "second")["hostname"]
        assert host.startswith(f"{under_test.instance.name}-worker-")


def test_the_second_instance_runs_with_any_password(unlocked: UnderTest) -> None:
    """Its pods are ready and its DAGs run, so every password was understood; here only that they are what we set."""
    for name in PASSWORDS:
        where, key = name.split("/")
        assert unlocked.instance.secret(where, key) == AWKWARD


def test_a_second_source_is_a_bundle_of_its_own(unlocked: UnderTest) -> None:
    first, dags = unlocked.published("extra"), unlocked.published()
    assert first != dags
    second = unlocked.push_elsewhere("extra", extra="two")
    eventually(lambda: unlocked.published("extra") == second, "the second source is published", unlocked.findings)
    assert unlocked.published() == dags
    unlocked.wait_known("extra")
    assert unlocked.airflow.ask("GET", "/dags/extra")["bundle_name"] == "extra"
    run = unlocked.airflow.trigger("extra")
    unlocked.wait_run(run, "extra")
    assert unlocked.result(run, "say", "extra") in ("one", "two")


def test_pod_security_is_enforced(dev: UnderTest) -> None:
    labels = dev.instance.cluster.get("namespace", dev.instance.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_applying_again_changes_nothing(dev: UnderTest) -> None:
    def generations() -> dict[str, int]:
        items = dev.instance.get("deployment,statefulset", "--selector", dev.instance.selector)["items"]
        return {item["metadata"]["name"]: item["metadata"]["generation"] for item in items}

    dev.instance.kubectl("scale", "statefulset/dev-worker", "--replicas=1")
    before = generations()
    dev.instance.apply()
    assert generations() == before
