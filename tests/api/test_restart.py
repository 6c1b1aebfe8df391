"""With the policy beside gitsync-restart, gitsync's account can restart a workload, and change nothing else of it."""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, Any

import kubernetes.client
import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from tests.manifests.stack import ROOT, overlay_over
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.api.server import Api

COMPONENT = ROOT / "base/components/gitsync-restart"


def reading(secret: str) -> dict[str, Any]:
    return pods(spec={"containers": [{"name": "airflow", "envFrom": [{"secretRef": {"name": secret}}]}]})


def pods(**template: Any) -> dict[str, Any]:
    return {"spec": {"template": template}}


ATTEMPTS = {
    "a Secret in a variable": reading("airflow"),
    "a Secret in a file": pods(spec={"volumes": [{"name": "more", "secret": {"secretName": "airflow"}}]}),
    "an image": pods(spec={"containers": [{"name": "airflow", "image": "registry.example.org/other"}]}),
    "a service account": pods(spec={"serviceAccountName": "default"}),
    "another annotation of the pods": pods(metadata={"annotations": {"example.org/inject": "true"}}),
    "an annotation of the pods that goes": pods(metadata={"annotations": {"example.org/kept": None}}),
    "a label of the pods": pods(metadata={"labels": {"example.org/more": "1"}}),
    "the number of pods": {"spec": {"replicas": 9}},
    "the strategy": {"spec": {"minReadySeconds": 9}},
    "an annotation of the workload": {"metadata": {"annotations": {"example.org/more": "1"}}},
    "a label of the workload": {"metadata": {"labels": {"example.org/more": "1"}}},
    "the label that the policy asks for": {"metadata": {"labels": {"kube-airflow/instance": None}}},
}
RESTART = pods(metadata={"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-12-01T00:00:00+00:00"}})
WORKLOADS = ("statefulset/guarded-prod-worker", "deployment/guarded-prod-scheduler")


class Account:
    """A service account of the namespace, by a token of its own. kubectl would read a workload before it patches it."""

    def __init__(self, api: Api, name: str) -> None:
        configuration = kubernetes.client.Configuration()
        configuration.host = yaml.safe_load(api.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        configuration.ssl_ca_cert = str(api.kubeconfig.parent / "certificates/apiserver.crt")  # type: ignore[attr-defined] # missing in the stubs
        token = api.done("create", "token", name, "--namespace=airflow").strip()
        configuration.api_key["authorization"] = f"Bearer {token}"
        self._apps = kubernetes.client.AppsV1Api(kubernetes.client.ApiClient(configuration))

    def patch(self, workload: str, change: object) -> str:
        """The error; empty when the API server takes the change."""
        kind, _, name = workload.partition("/")
        ways = {"deployment": "patch_namespaced_deployment", "statefulset": "patch_namespaced_stateful_set"}
        try:
            getattr(self._apps, ways[kind])(name, "airflow", change)
        except ApiException as error:
            return str(error.body)
        return ""


def annotated(value: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {"example.org/try": value}}}


@pytest.fixture(scope="module")
def gitsync(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The account in an instance whose overlay has a prefix, as soon as the policy is in force."""
    overlay = overlay_over(ROOT / "overlays/prod", tmp_path_factory.mktemp("o"), prefix="guarded-", instance="guarded")
    file = overlay / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    kept = {"op": "add", "path": "/spec/template/metadata/annotations", "value": {"example.org/kept": "1"}}
    patch = {"patch": yaml.safe_dump([kept]), "target": {"kind": "StatefulSet|Deployment"}}
    changed = {"components": [os.path.relpath(COMPONENT, overlay)], "patches": [patch]}
    file.write_text(yaml.safe_dump({**content, **changed}))
    api.done("apply", "--server-side", "--kustomize", str(overlay))
    account = Account(api, "guarded-prod-gitsync")
    assert account.patch(WORKLOADS[0], reading("postgres")) == "", "without the policy it can do that"
    api.done("apply", "--filename", str(COMPONENT / "admission.yaml"))
    number = itertools.count()  # a change that changes nothing is taken in any case
    eventually(lambda: account.patch(WORKLOADS[0], annotated(f"{next(number)}")), "the policy is in force")
    return account


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_nothing_but_a_restart_is_taken(gitsync: Account, attempt: str, workload: str) -> None:
    assert "denied request: gitsync may" in gitsync.patch(workload, ATTEMPTS[attempt])


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_restart_is_taken(gitsync: Account, api: Api, workload: str) -> None:
    assert gitsync.patch(workload, RESTART) == ""
    template = api.get(workload, "--namespace=airflow")["spec"]["template"]
    assert template["metadata"]["annotations"].items() >= RESTART["spec"]["template"]["metadata"]["annotations"].items()


@pytest.mark.usefixtures("gitsync")
def test_everybody_else_may_do_what_they_could(api: Api) -> None:
    change = json.dumps(ATTEMPTS["the strategy"])
    api.done("patch", WORKLOADS[0], "--namespace=airflow", f"--patch={change}")
