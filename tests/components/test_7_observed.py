"""The outputs of an instance: traces to Jaeger, logs to S3-compatible storage, metrics to Prometheus."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import requests

from hack.lab.addons import jaeger, prometheus, versitygw
from hack.lab.node.plan import plan_from_environment
from hack.operate.overlay import CHECKOUT
from tests.cluster.instances import SAYING, eventually, lock_dag
from tests.components.trial import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.lab.node.plan import Plan
    from tests.cluster.instances import UnderTest
    from tests.components.trial import Trial

NAME = "observed"
BUCKET = "team-logs"
ADDONS = (jaeger, prometheus, versitygw)
TELLING = SAYING.format(name="tell", mark="told").replace("return", "print('said here')\n        return")
DASHBOARD = CHECKOUT / "base/components/metrics/dashboard.json"
LOCK = lock_dag("one")
OF_TROUBLE = {"DAG runs that failed, per hour", "Tasks that wait for a worker"}


@pytest.fixture(scope="module")
def plan() -> Iterator[Plan]:
    plan = plan_from_environment()
    for addon in ADDONS:
        addon.up(plan)
    yield plan
    for addon in ADDONS:
        addon.down(plan)


@pytest.fixture(scope="module")
def instance(lasting_trial: Trial, plan: Plan) -> UnderTest:
    (versitygw.folder(plan) / BUCKET).mkdir(exist_ok=True)
    patches = [
        *said("opentelemetry", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{plan.address}:{jaeger.OTLP_PORT}"),
        *said("remote-logs", AWS_ENDPOINT_URL_S3=f"http://{plan.address}:{versitygw.PORT}"),
    ]
    made = lasting_trial.instance(NAME, "metrics", "opentelemetry", "remote-logs", patches=patches)
    words = {"aws_access_key_id": versitygw.ACCOUNT, "aws_secret_access_key": versitygw.secret(plan)}
    file = lasting_trial.directory / "credentials"
    file.write_text("[default]\n" + "".join(f"{name} = {word}\n" for name, word in words.items()))
    made.kubectl("create", "secret", "generic", f"{NAME}-remote-logs", f"--from-file={file}")
    return lasting_trial.run(made, tell=TELLING, **LOCK)


@pytest.fixture(scope="module")
def run(instance: UnderTest) -> str:
    instance.wait_listed("tell", instance.commits[-1])
    found = instance.airflow.trigger("tell")
    instance.wait_run(found, "tell")
    return found


def ask(plan: Plan, question: str, **arguments: str) -> Any:
    """An answer of Prometheus' API."""
    answer = requests.get(f"http://{plan.address}:{prometheus.PORT}/api/v1/{question}", arguments, timeout=60)
    assert answer.ok, answer.text
    return answer.json()["data"]


def test_a_run_and_its_tasks_are_traces(instance: UnderTest, run: str, plan: Plan) -> None:
    def spans() -> set[str]:
        address = f"http://{plan.address}:{jaeger.QUERY_PORT}/api/traces"
        traces = requests.get(address, {"service": "airflow", "limit": "100"}, timeout=60).json()["data"]
        return {span["operationName"] for trace in traces if run in json.dumps(trace) for span in trace["spans"]}

    eventually(
        lambda: {"dag_run.tell", "task_run.say"} <= spans(), f"{run} is a trace", lambda: (spans(), instance.findings())
    )


def test_a_log_outlives_its_worker(instance: UnderTest, run: str, plan: Plan) -> None:
    """1. it is an object in the bucket; 2. Airflow shows it when the worker that wrote it is gone with its files."""
    path = versitygw.folder(plan) / BUCKET / "prod" / f"dag_id=tell/run_id={run}/task_id=say/attempt=1.log"
    eventually(path.exists, f"{path.name} is in the bucket", instance.findings)
    assert "said here" in path.read_text()
    made = instance.instance
    made.kubectl("scale", f"statefulset/{NAME}-worker", "--replicas=0")
    eventually(lambda: not made.not_ready("worker"), "the worker is gone", instance.findings)
    assert "said here" in str(instance.airflow.ask("GET", f"/dags/tell/dagRuns/{run}/taskInstances/say/logs/1"))
    made.kubectl("scale", f"statefulset/{NAME}-worker", "--replicas=1")


@pytest.fixture(scope="module")
def watched(instance: UnderTest, plan: Plan) -> None:
    """Prometheus has what the operator made of the instance's monitors and rules."""

    def written() -> bool:
        prometheus.configure(plan)
        files = [prometheus.folder(plan) / "prometheus.yaml", *prometheus.folder(plan).glob("rules/*/*.yaml")]
        return f"serviceMonitor/{NAME}/" in files[0].read_text() and any(NAME in each.name for each in files[1:])

    eventually(written, "the operator has seen them", instance.findings)
    prometheus.reload(plan)


@pytest.mark.usefixtures("watched")
def test_prometheus_finds_what_the_monitors_select(plan: Plan) -> None:
    def found() -> dict[str, str]:
        targets = ask(plan, "targets")["activeTargets"]
        return {each["labels"]["job"]: each["health"] for each in targets if each["labels"]["namespace"] == NAME}

    expected = {f"{NAME}-{name}": "up" for name in ("gitsync", "rabbitmq", "statsd")}
    eventually(lambda: found() == expected, f"{expected} are scraped", lambda: ask(plan, "targets"))


@pytest.mark.usefixtures("watched", "run")
def test_rules_are_evaluated_and_nothing_is_wrong(plan: Plan) -> None:
    def rules() -> list[Any]:
        return [rule for group in ask(plan, "rules")["groups"] for rule in group["rules"]]

    eventually(lambda: rules() and all(rule["health"] == "ok" for rule in rules()), "all rules are evaluated", rules)
    assert {rule["name"]: rule["state"] for rule in rules() if rule["state"] == "firing"} == {}


@pytest.mark.usefixtures("watched", "run")
def test_the_dashboard_shows_what_goes_on(instance: UnderTest, plan: Plan) -> None:
    """While a task runs, after a commit that held the scheduler; panels that tell of trouble stay empty."""
    panels = {panel["title"]: panel["targets"] for panel in json.loads(DASHBOARD.read_text())["panels"]}
    queries = {title: [filled(target["expr"]) for target in targets] for title, targets in panels.items()}

    def empty() -> set[str]:
        return {title for title, each in queries.items() if not any(answered(plan, query) for query in each)}

    instance.wait_listed("lock", instance.commits[-1])
    waiting = instance.start()
    instance.wait_published(instance.push(tell=TELLING.replace("told", "told again")))
    eventually(lambda: empty() <= OF_TROUBLE, "the dashboard shows what goes on", empty)
    instance.let_go()
    instance.wait_run(waiting)


def answered(plan: Plan, query: str) -> bool:
    return bool(ask(plan, "query", query=query)["result"])


def filled(query: str) -> str:
    """With values in place of Grafana's variables."""
    values = {"namespace": NAME, "instance": NAME, "__rate_interval": "5m"}
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]], query)
