"""The component metrics: the scraped pods, the metrics in rules and dashboard, and the time of alerts."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from gitsync import metrics as gitsync_metrics
from hack.lab.node.prerequisites import install_missing
from tests.manifests import crds
from tests.manifests.stack import ROOT, build, name, of_kind, selects, tiers
from tests.manifests.test_components import overlay_of

if TYPE_CHECKING:
    from prometheus_client import Metric

    from tests.manifests.stack import Object

COMPONENT = ROOT / "base/components/metrics"
DATA = Path(__file__).parent / "metrics"


def names_of(family: Metric) -> set[str]:
    """The names under which a metric of gitsync's is scraped."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
    return {family.name + each for each in suffixes}


SEEN = {line for line in (DATA / "exposed.txt").read_text().splitlines() if line and not line.startswith("#")}
"""Names that Airflow, through the exporter, and RabbitMQ were seen to expose."""
OURS = {
    sample
    for each in vars(gitsync_metrics).values()
    if isinstance(each, MetricWrapperBase)
    for family in each.collect()
    for sample in names_of(family)
}
"""Those of gitsync's controller, which defines them all when it starts."""
EXPOSED = SEEN | OURS
METRIC = re.compile(r"\b(?:airflow|gitsync|rabbitmq)_[a-z0-9_]+(?=[\[{) ]|$)")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> tuple[Object, ...]:
    """The stack with the component, under a prefix that it cannot know."""
    return build(overlay_of(("metrics",), tmp_path_factory.mktemp("metrics")))


def rules() -> Any:
    return yaml.safe_load((COMPONENT / "prometheusrule.yaml").read_text())["spec"]


def alerts() -> dict[str, Any]:
    return {rule["alert"]: rule for group in rules()["groups"] for rule in group["rules"]}


def panels() -> dict[str, list[str]]:
    """The dashboard's queries by the panel's title."""
    dashboard = json.loads((COMPONENT / "dashboard.json").read_text())
    return {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in dashboard["panels"]}


def test_custom_objects_are_as_their_project_defines_them(objects: tuple[Object, ...]) -> None:
    found = of_kind(objects, "ServiceMonitor", "PrometheusRule")
    assert [problem for each in found for problem in crds.problems(each)] == []
    assert len(found) == 4


def test_each_monitor_sees_one_service_of_its_own_instance(objects: tuple[Object, ...]) -> None:
    for monitor in of_kind(objects, "ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        assert selector["kube-airflow/instance"] == "qq-9", name(monitor)
        chosen = [each for each in of_kind(objects, "Service") if selects(selector, each["metadata"]["labels"])]
        assert len(chosen) == 1, name(monitor)
        ports = {port["name"] for port in chosen[0]["spec"]["ports"]}
        assert {each["port"] for each in monitor["spec"]["endpoints"]} <= ports
        assert set(monitor["spec"]["targetLabels"]) <= chosen[0]["metadata"]["labels"].keys()


def test_airflow_sends_to_the_service_of_its_own_instance(objects: tuple[Object, ...]) -> None:
    (settings,) = (each["data"] for each in objects if "AIRFLOW__METRICS__STATSD_HOST" in each.get("data", {}))
    (service,) = (
        each for each in of_kind(objects, "Service") if name(each) == settings["AIRFLOW__METRICS__STATSD_HOST"]
    )
    (port,) = (each for each in service["spec"]["ports"] if each.get("protocol") == "UDP")
    assert str(port["port"]) == settings["AIRFLOW__METRICS__STATSD_PORT"]
    listening = {each["containerPort"] for each in tiers(objects)["statsd"]["containers"][0]["ports"]}
    assert port["port"] in listening


def test_each_of_ours_is_counted_somewhere() -> None:
    code = "".join(file.read_text() for file in (ROOT / "gitsync").rglob("*.py"))
    ours = {name for name, each in vars(gitsync_metrics).items() if isinstance(each, MetricWrapperBase)}
    idle = {name for name in ours if f"metrics.{name}." not in code}
    assert not idle, "counted nowhere: call each as metrics.NAME, or remove it"


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_asks_for_what_is_exposed_and_says_what_to_do(alert: str) -> None:
    rule = alerts()[alert]
    used = set(METRIC.findall(rule["expr"]))
    assert used
    assert used <= EXPOSED
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "action"}
    assert f"`{alert}`" in (ROOT / "docs/operate.md").read_text()


@pytest.mark.parametrize("panel", panels())
def test_a_panel_asks_for_what_is_exposed(panel: str) -> None:
    for query in panels()[panel]:
        used = set(METRIC.findall(query))
        assert used, query
        assert used <= EXPOSED


@pytest.fixture(scope="module")
def promtool() -> str:
    install_missing({"promtool": "prometheus"})
    return "promtool"


def case(name: str, series: dict[str, str], firing: list[str]) -> Any:
    """Return one of promtool's tests: these series, and the alerts that fire at the end of two hours."""
    labels = 'namespace="a",kube_airflow_instance="i"'
    samples = [{"labels": f'{{alertname="{each}"}}', "value": 1} for each in firing]
    return {
        "name": name,
        "interval": "1m",
        "input_series": [
            {"series": key.replace("{", "{" + labels + ",").replace(",}", "}"), "values": str(values)}
            for key, values in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "2h",
                "exp_samples": samples,
            }
        ],
    }


def test_each_alert_fires_when_it_should_and_alone(promtool: str, tmp_path: Path) -> None:
    """Prometheus' own tool decides; it also parses every expression and every text."""
    given = yaml.safe_load((DATA / "alerts.yaml").read_text())
    assert given["wrong"].keys() == alerts().keys()
    cases = [case("all is well", given["well"], [])]
    cases += [case(alert, {**given["well"], **wrong}, [alert]) for alert, wrong in given["wrong"].items()]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))
    (tmp_path / "tests.yaml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": cases})
    )
    for words in (["check", "rules", "rules.yaml"], ["test", "rules", "tests.yaml"]):
        done = subprocess.run([promtool, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
