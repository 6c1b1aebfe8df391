"""`hack/kube-airflow check` names what an overlay refers to and does not have: file, kind, name and the cure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.operate.check.named import HOSTS
from tests.manifests.conftest import WHOLE, directory
from tests.manifests.stack import GITOPS, ROOT

if TYPE_CHECKING:
    from pathlib import Path


LABELS = [{"pairs": {"kube-airflow/instance": "prod"}, "includeSelectors": True}]


def overlay(folder: Path, target: str = "overlays/prod", **fields: Any) -> Path:
    """Write an overlay over what is in ``target``; components are of the base."""
    resources = [os.path.relpath(ROOT / target, folder), *fields.pop("resources", ())]
    components = [os.path.relpath(ROOT / "base/components" / each, folder) for each in fields.pop("components", ())]
    content = {"resources": resources, "components": components, **fields}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return folder


def checked(folder: Path, *options: str) -> tuple[int, str]:
    """Run the command, and return its status and all that it says."""
    command = [sys.executable, str(ROOT / "hack/kube-airflow"), "check", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def faults(folder: Path, *options: str) -> list[str]:
    """Return the faults that the command finds; there must be some."""
    status, said = checked(folder, *options)
    assert status == 1, said
    return [line.removeprefix("- ") for line in said.splitlines() if line.startswith("- ")]


def own(folder: Path, *objects: dict[str, Any]) -> dict[str, Any]:
    """Write objects of the overlay's own, and return the fields with which it lists them."""
    (folder / "own.yaml").write_text(yaml.safe_dump_all(objects))
    return {"namespace": "airflow", "resources": ["own.yaml"]}


def patched(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return the field of a patch of some pods."""
    metadata = {"name": name, "namespace": "airflow"}
    patch = {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": {"spec": spec}}}
    return {"patches": [{"patch": yaml.safe_dump(patch)}]}


@pytest.mark.parametrize("what", [*WHOLE, *GITOPS])
def test_what_is_here_has_no_fault(what: str) -> None:
    status, said = checked(directory(what))
    assert status == 0, said


def test_it_lists_what_is_made_beside_the_overlay(tmp_path: Path) -> None:
    status, said = checked(overlay(tmp_path, components=["metrics"], namespace="airflow", labels=LABELS))
    assert status == 0
    assert {"PersistentVolumeClaim prod-backup", "Secret prod-postgres"} <= {each.strip() for each in said.splitlines()}


def test_a_component_over_prod_without_the_namespace(tmp_path: Path) -> None:
    found = faults(overlay(tmp_path, components=["autoscaling-keda", "redis", "ingress"]))
    assert "write `namespace: airflow` in the overlay" in found[0]
    for user, sentence in (
        ("ScaledObject worker (base/components/autoscaling-keda/scaledobject.yaml)", "no StatefulSet worker in"),
        ("Ingress airflow (base/components/ingress/ingress.yaml)", "it has prod-api-server in airflow"),
        ("ConfigMap prod-hosts-", "there is no Service redis in the build"),
        ("StatefulSet redis (base/components/redis/tier/statefulset.yaml)", "the instance's is prod-rabbitmq"),
    ):
        assert [each for each in found if each.startswith(user) and sentence in each], sentence


def test_a_component_over_prod_without_the_label(tmp_path: Path) -> None:
    (found,) = faults(overlay(tmp_path, components=["redis"], namespace="airflow"))
    assert found.startswith("StatefulSet redis (base/components/redis/tier/statefulset.yaml): its pods lack the label")
    assert checked(overlay(tmp_path, components=["redis"], namespace="airflow", labels=LABELS))[0] == 0


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"containers": [{"name": "airflo", "env": []}]}, "the container airflo has no image"),
        (
            {"containers": [{"name": "airflow", "volumeMounts": [{"name": "certificates", "mountPath": "/c"}]}]},
            "the container airflow mounts certificates at /c, but the pod has no such volume",
        ),
        ({"containers": [{"name": "airflow", "envFrom": [{"configMapRef": {"name": "extra"}}]}]}, "no ConfigMap extra"),
        ({"serviceAccountName": "s3"}, "there is no ServiceAccount s3 in the build"),
        (
            {"volumes": [{"name": "home", "emptyDir": None, "configMap": {"name": "prod-typo"}}]},
            "there is no ConfigMap prod-typo in the build",
        ),
    ],
    ids=["image", "mount", "envFrom", "account", "volume"],
)
def test_a_patch_of_a_pod(spec: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    found = faults(overlay(tmp_path, **patched("StatefulSet", "prod-worker", spec)))
    assert any(sentence in each and each.startswith("StatefulSet prod-worker (") for each in found), found


def test_a_key_that_a_config_map_does_not_have(tmp_path: Path) -> None:
    source = {"configMapKeyRef": {"name": "settings", "key": "region"}}
    fields = patched(
        "Deployment",
        "prod-scheduler",
        {"containers": [{"name": "airflow", "env": [{"name": "R", "valueFrom": source}]}]},
    )
    generator = [{"name": "settings", "literals": ["REGION=eu"]}]
    (found,) = faults(overlay(tmp_path, namespace="airflow", configMapGenerator=generator, **fields))
    assert "has no key region; it has REGION" in found


def test_a_list_of_variables_that_a_patch_has_replaced(tmp_path: Path) -> None:
    spec = {"containers": [{"name": "airflow", "envFrom": [{"configMapRef": {"name": "team"}}]}]}
    fields = patched("StatefulSet", "prod-worker", spec)
    generator = [{"name": "team", "literals": ["REGION=eu"]}]
    (first, *_) = faults(overlay(tmp_path, namespace="airflow", configMapGenerator=generator, **fields))
    assert "nothing sets $(API_SERVER_HOST) of the container airflow: a merged patch has replaced `envFrom`" in first


def test_a_claim_that_a_patch_has_replaced(tmp_path: Path) -> None:
    """An API server takes it, and no pod ever starts."""
    claims = [{"metadata": {"name": "data"}, "spec": {"storageClassName": "fast"}}]
    metadata = {"name": "prod-postgres", "namespace": "airflow"}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {"volumeClaimTemplates": claims},
    }
    found = faults(overlay(tmp_path, patches=[{"patch": yaml.safe_dump(patch)}]))
    assert ["accessModes" in each or "size" in each for each in found] == [True, True]
    assert all("StatefulSet prod-postgres (base/postgres/statefulset.yaml): the claim data" in each for each in found)


def test_a_secret_of_a_component_without_the_prefix(tmp_path: Path) -> None:
    folder = overlay(tmp_path, components=["autoscaling-keda"], namespace="airflow")
    (found,) = faults(folder)
    assert found.startswith("TriggerAuthentication worker (")
    assert "the instance's is prod-keda" in found
    assert checked(folder, "--beside", "Secret/keda")[0] == 0


def test_an_account_that_is_there_already(tmp_path: Path) -> None:
    folder = overlay(tmp_path, **patched("StatefulSet", "prod-worker", {"serviceAccountName": "s3"}))
    assert checked(folder, "--beside", "ServiceAccount/s3")[0] == 0


def test_a_service_whose_workload_is_removed(tmp_path: Path) -> None:
    patch = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: prod-flower, namespace: airflow}, $patch: delete}"
    (found,) = faults(overlay(tmp_path, patches=[{"patch": patch}]))
    assert found.startswith("Service prod-flower (base/flower/service.yaml): selects no pod of the build: remove it")


def test_a_port_that_a_service_does_not_have(tmp_path: Path) -> None:
    backend = {"service": {"name": "api-server", "port": {"name": "https"}}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "own"},
        "spec": {"defaultBackend": backend},
    }
    (found,) = faults(overlay(tmp_path, **own(tmp_path, ingress)))
    assert (
        found
        == "Ingress own ("
        + str(tmp_path / "own.yaml")
        + "): the Service prod-api-server has no port https; it has 8080, http"
    )


def policy(peer: dict[str, Any]) -> dict[str, Any]:
    """Return a policy that lets a peer ask the api-server."""
    subject = {"matchLabels": {"app.kubernetes.io/component": "api-server"}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "own"},
        "spec": {"podSelector": subject, "policyTypes": ["Ingress"], "ingress": [{"from": [peer]}]},
    }


ELSEWHERE = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}}


@pytest.mark.parametrize(
    "peer",
    [
        {**ELSEWHERE, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "traefik"}}},
        {"podSelector": {"matchLabels": {"app": "reports"}}},
    ],
    ids=["another namespace", "the same namespace"],
)
def test_pods_of_others_that_got_the_label_of_the_instance(peer: dict[str, Any], tmp_path: Path) -> None:
    (found,) = faults(overlay(tmp_path, labels=LABELS, **own(tmp_path, policy(peer))))
    assert "kube-airflow/instance=prod" in found
    assert "write matchExpressions for pods of others" in found
    ((key, value),) = peer["podSelector"]["matchLabels"].items()
    cured = {**peer, "podSelector": {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}}
    assert checked(overlay(tmp_path, labels=LABELS, **own(tmp_path, policy(cured))))[0] == 0


def test_affinity_to_pods_of_others(tmp_path: Path) -> None:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "cache"}}}
    spec = {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}
    (found,) = faults(overlay(tmp_path, labels=LABELS, **patched("StatefulSet", "prod-worker", spec)))
    assert "an affinity to pods app=cache,kube-airflow/instance=prod matches none" in found


@pytest.mark.parametrize(
    ("version", "kind", "spec"),
    [
        ("keda.sh/v1alpha1", "ScaledObject", {"scaleTargetRef": "worker"}),
        ("v1", "Service", {"selector": ["x"]}),
        ("apps/v1", "Deployment", {"template": {"spec": {"containers": [{"image": "a", "volumeMounts": ["x"]}]}}}),
    ],
)
def test_an_object_without_the_form_of_its_kind_is_named(
    version: str, kind: str, spec: dict[str, Any], tmp_path: Path
) -> None:
    wrong = {"apiVersion": version, "kind": kind, "metadata": {"name": "own"}, "spec": spec}
    status, said = checked(overlay(tmp_path, **own(tmp_path, wrong)))
    assert (status, "Traceback" in said) == (1, False)
    assert f"{kind} own ({tmp_path / 'own.yaml'}): a field has not the form" in said


def test_the_hosts_are_those_that_kustomize_rewrites() -> None:
    files = [each.read_text() for each in ROOT.rglob("names.yaml") if ".venv" not in each.parts]
    assert set(re.findall(r"kind: ConfigMap, path: data/(\w+_HOST)", "".join(files))) == HOSTS


def test_several_instances_and_names_that_do_not_build(tmp_path: Path) -> None:
    assert checked(overlay(tmp_path, resources=[os.path.relpath(ROOT / "overlays/staging", tmp_path)]))[0] == 0
    status, said = checked(overlay(tmp_path, patches=[{"path": "missing.yaml"}]))
    assert (status, "missing.yaml" in said, str(tmp_path) in said) == (1, True, True)
