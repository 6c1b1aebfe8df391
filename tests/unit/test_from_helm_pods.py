"""`from-helm`: what values say of pods reaches them, and what the chart made itself does not."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.unit.test_from_helm import overlay_of

if TYPE_CHECKING:
    from hack.operate.helm.overlay import Overlay

VALUES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "helm_pods.yaml").read_text())


@pytest.fixture(scope="module")
def given() -> tuple[Overlay, str]:
    return overlay_of(VALUES, "official")


@pytest.fixture(scope="module")
def built(given: tuple[Overlay, str], tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """The objects of the overlay, by kind and name without the prefix and the hash."""
    folder = tmp_path_factory.mktemp("helm") / "overlay"
    given[0].write(folder)
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True)
    objects = list(yaml.load_all(done.stdout, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    return {(each["kind"], each["metadata"]["name"].removeprefix("mine-")): each for each in objects}


def pod(built: dict[tuple[str, str], Any], kind: str, name: str) -> Any:
    return built[kind, name]["spec"]["template"]["spec"]


def test_nodes_and_pull_secrets_are_for_every_pod_of_the_instance(built: dict[tuple[str, str], Any]) -> None:
    for (kind, name), found in built.items():
        if kind not in ("Deployment", "StatefulSet"):
            continue
        spec = found["spec"]["template"]["spec"]
        assert spec["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}], name
        assert [each["key"] for each in spec["tolerations"]] == ["data"], name
        assert "nodeAffinity" in spec["affinity"], name
        own = {"worker": "tasks", "postgres": "databases"}.get(name)
        assert spec["nodeSelector"] == ({"pool": own} if own else {"pool": "data", "disk": "fast"}), name


def test_lists_of_variables_are_added_to_those_of_the_stack(built: dict[tuple[str, str], Any]) -> None:
    sources = pod(built, "StatefulSet", "worker")["containers"][0]["envFrom"]
    assert sources[-2:] == [{"secretRef": {"name": "team"}}, {"configMapRef": {"name": "region", "optional": True}}]
    assert len(sources) > 4


def test_variables_from_secrets_have_the_names_that_airflow_reads(given: tuple[Overlay, str]) -> None:
    overlay, said = given
    names = [each["name"] for each in overlay.container("", "airflow")["env"]]
    assert names == ["WAREHOUSE", "AIRFLOW__API__EXPOSE_CONFIG"]
    assert {"airflow/fernet-key", "airflow/api-secret-key"} <= overlay.secrets
    assert "AIRFLOW__CORE__SQL_ALCHEMY_CONN is taken apart: component external-postgres" in said


def test_volumes_do_not_take_the_names_of_those_of_the_stack(given: tuple[Overlay, str]) -> None:
    overlay, said = given
    assert [each["name"] for each in overlay.pod("")["volumes"]] == ["own-logs", "models"]
    assert overlay.container("", "airflow")["volumeMounts"] == [{"name": "own-logs", "mountPath": "/shared"}]
    assert "the mount at /opt/airflow/airflow.cfg is left out" in said


def test_accounts_that_a_cloud_knows_are_made_or_named(
    given: tuple[Overlay, str], built: dict[tuple[str, str], Any]
) -> None:
    account = built["ServiceAccount", "worker"]
    assert account["metadata"]["annotations"] == {"example.org/role": "tasks"}
    assert pod(built, "StatefulSet", "worker")["serviceAccountName"] == "mine-worker"
    assert pod(built, "Deployment", "scheduler")["serviceAccountName"] == "airflow-scheduler"
    assert "serviceAccountName" not in pod(built, "StatefulSet", "triggerer")
    assert "system:serviceaccount:airflow:mine-worker" in given[1]
    assert "triggerer.serviceAccount: pods of Airflow need no account" in given[1]


@pytest.mark.parametrize("tier", ["scheduler", "webserver"])
def test_accounts_with_rights_keep_them(tier: str) -> None:
    values = {tier: {"serviceAccount": {"annotations": {"a": "b"}}}, "executor": "KubernetesExecutor"}
    overlay, said = overlay_of(values, "official")
    assert not overlay.accounts
    assert f"{tier}.serviceAccount: the component executor-kubernetes has accounts of its own" in said


def test_one_account_for_all_pods_is_written_for_all() -> None:
    overlay, _said = overlay_of({"airflow": {}, "serviceAccount": {"create": False, "name": "data"}}, "community")
    assert overlay.pod("") == {"serviceAccountName": "data"}


def test_a_service_has_its_type_and_its_nodes_port(
    given: tuple[Overlay, str], built: dict[tuple[str, str], Any]
) -> None:
    service = built["Service", "api-server"]
    assert service["spec"]["type"] == "NodePort"
    assert [(each["port"], each["nodePort"]) for each in service["spec"]["ports"]] == [(8080, 30081)]
    assert service["metadata"]["annotations"] == {"example.org/internal": "true"}
    assert "the Service mine-api-server listens on 8080" in given[1]
    assert "flower.service: the Service is of the type ClusterIP here, too" in given[1]


def test_settings_of_fab_are_a_file_of_the_api_server(built: dict[tuple[str, str], Any]) -> None:
    container = pod(built, "Deployment", "api-server")["containers"][0]
    assert {"name": "webserver", "mountPath": "/etc/airflow/webserver", "readOnly": True} in container["volumeMounts"]
    (name,) = {name for kind, name in built if kind == "ConfigMap" and name.startswith("webserver-")}
    assert built["ConfigMap", name]["data"] == {"webserver_config.py": 'AUTH_ROLE_PUBLIC = "Viewer"\n'}


@pytest.mark.parametrize("text", ["from airflow.www.x import Y", 'X = conf.get("core", "SQL_ALCHEMY_CONN")'])
def test_settings_of_fab_that_airflow_3_cannot_read_are_not_written(text: str) -> None:
    overlay, said = overlay_of({"webserver": {"webserverConfig": text}}, "official")
    assert not overlay.files
    assert "which is of Airflow 2: write it anew" in said


def test_logs_stay_as_long_as_the_longest_says(built: dict[tuple[str, str], Any]) -> None:
    (data,) = (each["data"] for (kind, name), each in built.items() if kind == "ConfigMap" and "log-groomer" in name)
    assert data["RETENTION_DAYS"] == "11"  # 14401 minutes; the triggerer's 90 days are off
    assert data["MAX_MIB"] == "5000"


def test_volumes_of_databases_have_size_and_class(built: dict[tuple[str, str], Any]) -> None:
    for name, size, kind in (("postgres", "20Gi", "fast"), ("redis", "2Gi", "slow")):
        spec = built["StatefulSet", name]["spec"]["volumeClaimTemplates"][0]["spec"]
        assert (spec["resources"]["requests"]["storage"], spec["storageClassName"]) == (size, kind)
        assert spec["accessModes"] == ["ReadWriteOnce"]


def test_a_bundle_from_git_is_the_source(given: tuple[Overlay, str]) -> None:
    overlay, said = given
    wanted = {"repo": "https://git.example.org/dags.git", "ref": "prod", "subdirectory": "dags", "period": 45.0}
    assert overlay.source == {"name": "dags", **wanted}
    assert "the bundle other is left out" in said
    assert "the login of the bundle, and the address that it does not name, are in the connection git" in said
    assert "DAGs did not come from" not in said


def test_labels_of_the_stack_stay(built: dict[tuple[str, str], Any]) -> None:
    found = built["StatefulSet", "postgres"]
    for labels in (found["metadata"]["labels"], found["spec"]["template"]["metadata"]["labels"]):
        assert labels["team"] == "data"
        assert labels["app.kubernetes.io/name"] == "postgres"
