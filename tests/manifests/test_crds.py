"""Custom objects are checked as strictly as Kubernetes' own objects."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

import pytest
import yaml

from hack.lab.addons.crds import provide, source_of
from hack.lab.node.errors import NodeError
from tests.manifests import crds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.manifests.stack import Object

OBJECTS = """
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: statsd}
spec: {selector: {matchLabels: {a: b}}, endpoints: [{port: metrics, interval: 30s}]}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: rules}
spec: {groups: [{name: airflow, rules: [{alert: Down, expr: up == 0, for: 5m, labels: {severity: page}}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec: {parentRefs: [{name: gateway}], rules: [{backendRefs: [{name: api-server, port: 8080}]}]}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: worker}
spec:
  scaleTargetRef: {name: worker}
  triggers: [{type: postgresql, metadata: {query: select 1}, authenticationRef: {name: worker}}]
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: worker}
spec: {secretTargetRef: [{parameter: password, name: postgres, key: password}]}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: prod}
spec:
  project: airflow
  source: {repoURL: https://git.example.org/a.git, path: overlays/prod}
  destination: {namespace: airflow}
---
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: airflow}
spec: {sourceRepos: [https://git.example.org/a.git], destinations: [{namespace: airflow}]}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: airflow}
spec: {interval: 1m, url: https://git.example.org/a.git}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: prod}
spec: {interval: 10m, prune: true, path: overlays/prod, sourceRef: {kind: GitRepository, name: airflow}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: postgres}
spec: {secretStoreRef: {name: vault}, target: {name: postgres}, dataFrom: [{extract: {key: airflow/postgres}}]}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: vault}
spec: {provider: {fake: {data: [{key: airflow, value: "1"}]}}}
---
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {name: postgres}
spec: {encryptedData: {password: AgB}, template: {metadata: {name: postgres}}}
"""
EXAMPLES = [pytest.param(each, id=each["kind"]) for each in yaml.safe_load_all(OBJECTS)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_an_api_server_takes_is_taken(example: Object) -> None:
    assert crds.is_custom(example)
    assert crds.problems(example) == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_an_api_server_would_drop_is_refused(example: Object) -> None:
    changed = copy.deepcopy(example)
    changed["spec"]["intervall"] = "1m"
    (problem,) = crds.problems(changed)
    assert "intervall" in problem


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_has_the_wrong_type_is_refused(example: Object) -> None:
    for field in example["spec"]:
        assert crds.problems({**example, "spec": {**example["spec"], field: True if field != "prune" else "yes"}})


def test_a_version_that_is_gone_is_named() -> None:
    found = {"apiVersion": "external-secrets.io/v1beta1", "kind": "ExternalSecret", "metadata": {}, "spec": {}}
    with pytest.raises(AssertionError, match="v1beta1 is not served for ExternalSecret; it has v1"):
        crds.problems(found)


def test_a_release_with_other_content_is_refused(tmp_path: Path) -> None:
    source = source_of("kustomize.toolkit.fluxcd.io")
    assert source
    with pytest.raises(NodeError, match=r"has the checksum h1:\S+, not h1:other"):
        provide(tmp_path, dataclasses.replace(source, checksum="h1:other"))
    assert not list(tmp_path.glob("crds/*"))
