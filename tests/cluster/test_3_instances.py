"""Two instances in one namespace, with awkward passwords and with Pod Security enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.conftest import AWKWARD, PASSWORDS
from tests.cluster.instances import SAYING, eventually

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
    second = unlocked.push_elsewhere("extra", extra=SAYING.format(name="extra", mark="two"))
    eventually(lambda: unlocked.published("extra") == second, "the second source is published", unlocked.findings)
    assert unlocked.published() == dags
    unlocked.wait_known("extra")
    assert unlocked.airflow.ask("GET", "/dags/extra")["bundle_name"] == "extra"
    run = unlocked.airflow.trigger("extra")
    unlocked.wait_run(run, "extra")
    assert unlocked.result(run, "say", "extra") in ("one", "two")


TRIGGER = """
from airflow.triggers.base import BaseTrigger

class Soon(BaseTrigger):
    MARK = "{mark}"
"""


def test_a_changed_trigger_restarts_the_triggerer(unlocked: UnderTest) -> None:
    """1. a trigger is published; 2. it changes: after the flip the pod that has the old one in memory is replaced."""

    def triggerer() -> str:
        pod = unlocked.instance.get("pod", "unlocked-triggerer-0")
        return str(pod["metadata"]["uid"])

    def push(mark: str) -> str:
        files = {"extra": SAYING.format(name="extra", mark=mark), "soon": TRIGGER.format(mark=mark)}
        return unlocked.push_elsewhere("extra", **files)

    revision = push("early")
    eventually(lambda: unlocked.published("extra") == revision, "the trigger is published", unlocked.findings)
    eventually(lambda: not unlocked.record("extra")["restarts"], "nothing is to be restarted", unlocked.findings)
    before = triggerer()
    changed = push("late")
    eventually(lambda: unlocked.published("extra") == changed, "its change is published", unlocked.findings)
    eventually(lambda: triggerer() != before, "the triggerer is replaced", unlocked.findings)
    eventually(lambda: not unlocked.record("extra")["restarts"], "the restart is over", unlocked.findings)


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
