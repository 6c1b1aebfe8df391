"""The sealed sample has the Secrets that `hack/kube-airflow secrets` writes, and a controller can unseal it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.lab.addons import beside
from tests.cluster.instances import eventually
from tests.gitops.sealed import CERTIFICATE, KEY, SAMPLE, programs, unsealed
from tests.gitops.sops import fresh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hack.lab.node.plan import Plan
    from hack.operate.instance import Instance

FILES = sorted(SAMPLE.glob("prod-*.yaml"))
GROUP = "bitnami.com"
NAME = "sealed-secrets"
IMAGE = "postgres:17"
"""One that the node has; the controller needs nothing of it."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_secret_unseals_to_what_hack_secrets_writes(file: Path, tmp_path: Path) -> None:
    found = unsealed(file)
    wanted = yaml.safe_load((fresh(tmp_path) / file.name).read_text())
    assert found["metadata"]["name"] == wanted["metadata"]["name"]
    assert found["data"].keys() == wanted["stringData"].keys()
    assert all(found["data"].values())


def controllers_objects() -> list[dict[str, Any]]:
    """A pod that runs it with an administrator's rights, and the key."""
    name = {"name": NAME, "namespace": NAME}
    subject = {"kind": "ServiceAccount", **name}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    container = {
        "name": "controller",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["/programs/controller"],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
        "volumeMounts": [{"name": "programs", "mountPath": "/programs", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "programs", "hostPath": {"path": str(programs())}}],
    }
    key = {"tls.crt": CERTIFICATE.read_text(), "tls.key": KEY.read_text()}
    label = {"sealedsecrets.bitnami.com/sealed-secrets-key": "active"}
    return [
        beside.namespace(NAME),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": name},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": NAME}}
        | {"subjects": [subject], "roleRef": role},
        {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "stringData": key}
        | {"metadata": {"name": "known", "namespace": NAME, "labels": label}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": name, "spec": pod},
    ]


@pytest.fixture
def controller(plan: Plan, instance: Instance) -> Iterator[None]:
    """Its namespace and kinds go with the test."""
    try:
        beside.declare(plan, [GROUP], controllers_objects())
        yield
    finally:
        beside.forget(plan, [GROUP], NAME)


def synced(instance: Instance) -> set[str]:
    return {
        each["metadata"]["name"]
        for each in instance.get("sealedsecrets")["items"]
        for condition in each.get("status", {}).get("conditions", ())
        if (condition["type"], condition["status"]) == ("Synced", "True")
    }


def test_a_controller_makes_secrets_that_outlive_what_was_sealed(controller: None, instance: Instance) -> None:
    instance.kubectl("apply", "--filename", str(SAMPLE))
    names = {file.stem for file in FILES}
    eventually(lambda: synced(instance) == names, "all are unsealed", lambda: log(instance))
    instance.kubectl("delete", "--filename", str(SAMPLE))
    for file in FILES:
        made = instance.get("secret", file.stem)
        assert made["data"] == unsealed(file)["data"]
        assert "ownerReferences" not in made["metadata"], "Kubernetes will remove it"


def log(instance: Instance) -> str:
    return instance.cluster.run("--namespace", NAME, "logs", NAME, check=False)
