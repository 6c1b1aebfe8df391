"""Every pod: the rules of Pod Security `restricted`, fields for the scheduler, and the secrets that it may know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.manifests.stack import WORKLOADS, containers, environment, name, of_kind, secret_files, tiers

if TYPE_CHECKING:
    from tests.manifests.stack import Object

VOLUMES_ALLOWED = {"configMap", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
FILES = {
    "api-server": {"airflow-password", "fernet-key", "api-secret-key", "jwt-secret"},
    "scheduler": {"airflow-password", "celery-password", "rabbitmq-password", "fernet-key", "jwt-secret"},
    "dag-processor": {"airflow-password", "fernet-key"},
    "triggerer": {"airflow-password", "fernet-key", "api-secret-key"},
    "worker": {"celery-password", "rabbitmq-password", "api-secret-key"},
    "flower": {"rabbitmq-password", "flower-basic-auth"},
    "migrate": {"airflow-password", "admin-password"},
}
"""All that Airflow's containers may know."""
MEMBERS = {"dag-processor", "triggerer", "worker"}
NO_DATABASE = {"worker", "flower"}


def test_pod_security_restricted(built: tuple[Object, ...]) -> None:
    for tier, pod in tiers(built).items():
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "hostUsers"}, tier
        assert pod["securityContext"]["runAsNonRoot"] is True, tier
        assert pod["securityContext"]["runAsUser"] > 0, tier
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, tier
        assert not pod["securityContext"].keys() & {"sysctls", "seLinuxOptions", "windowsOptions"}, tier
        for volume in pod["volumes"]:
            assert volume.keys() - {"name"} <= VOLUMES_ALLOWED, tier


def test_containers_are_restricted_and_read_only(built: tuple[Object, ...]) -> None:
    wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    for tier, pod in tiers(built).items():
        for container in containers(pod):
            assert container["securityContext"] == wanted, f"{tier}/{container['name']}"
            assert not [port for port in container.get("ports", []) if "hostPort" in port], tier


def test_what_writes_can_write(built: tuple[Object, ...]) -> None:
    for tier, pod in tiers(built).items():
        for container in pod["containers"]:
            writable = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
            assert "/tmp" in writable, f"{tier}/{container['name']}"
        for volume in pod["volumes"]:
            in_memory = volume.get("emptyDir", {}).get("medium") == "Memory"
            assert not in_memory or "sizeLimit" in volume["emptyDir"], tier


def test_volumes_keep_their_permissions(built: tuple[Object, ...]) -> None:
    for each in of_kind(built, "StatefulSet"):
        if "volumeClaimTemplates" in each["spec"]:
            assert each["spec"]["template"]["spec"]["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_secrets_are_readable_by_their_user_alone(built: tuple[Object, ...]) -> None:
    for tier, pod in tiers(built).items():
        for volume in pod["volumes"]:
            for kind in ("secret", "projected"):
                assert volume.get(kind, {}).get("defaultMode", 0o440) == 0o440, tier


def test_only_gitsync_talks_to_kubernetes(built: tuple[Object, ...]) -> None:
    assert not [tier for tier, pod in tiers(built).items() if pod["automountServiceAccountToken"]]
    assert not [pod for pod in tiers(built).values() if pod["enableServiceLinks"]]
    tokens = {
        (tier, container["name"])
        for tier, pod in tiers(built).items()
        for container in containers(pod)
        if mounted_sources(pod, container) & {"serviceAccountToken"}
    }
    assert tokens == {("gitsync", "gitsync")}


def mounted_sources(pod: Object, container: Object) -> set[str]:
    """Return the kinds of what a container's volumes are made of."""
    mounted = {each["name"] for each in container["volumeMounts"]}
    volumes = [each for each in pod["volumes"] if each["name"] in mounted]
    projected = [source for each in volumes for source in each.get("projected", {}).get("sources", [])]
    return {kind for each in [*volumes, *projected] for kind in each if kind != "name"}


def test_the_gate_has_nothing_that_dag_code_could_take(built: tuple[Object, ...]) -> None:
    """Neither a Secret, in a file or a variable, nor a token, nor anything to write that others read.

    What it writes is in memory: the kernel refuses more, where the kubelet would evict the pod.
    """
    pod = tiers(built)["gitsync"]
    (gate,) = (each for each in pod["containers"] if each["name"] == "gate")
    assert mounted_sources(pod, gate) <= {"emptyDir"}
    assert not [each for each in gate["env"] if "valueFrom" in each]
    assert not [each for each in gate["envFrom"] if "secretRef" in each]
    assert not [value for value in environment(built, gate).values() if value.startswith("cat ")]
    shared = {each["name"] for each in pod["containers"][0]["volumeMounts"]}
    written = {each["name"] for each in gate["volumeMounts"] if not each.get("readOnly")}
    assert written.isdisjoint(shared)
    assert {each["mountPath"] for each in gate["volumeMounts"] if not each.get("readOnly")} == {"/tmp", "/dev/shm"}
    (read,) = (each for each in gate["volumeMounts"] if each.get("readOnly"))
    assert (read["name"], read["subPath"]) == ("store", "gate"), "no mirror, no report, no finding"
    limits = [each["emptyDir"] for each in pod["volumes"] if each["name"] in written]
    assert {limit["medium"] for limit in limits} == {"Memory"}
    assert all("sizeLimit" in limit for limit in limits)
    assert gate["command"][0] == "gitsync", "tini would be the first process, and the gate one that DAG code can kill"


def test_requests_and_memory_limits(built: tuple[Object, ...]) -> None:
    for tier, pod in tiers(built).items():
        for container in containers(pod):
            resources = container["resources"]
            assert resources["requests"].keys() == {"cpu", "memory"}, f"{tier}/{container['name']}"
            assert 5 <= int(resources["requests"]["cpu"].removesuffix("m")) <= 100, tier
            assert resources["limits"].keys() == {"memory"}, f"{tier}/{container['name']}: no CPU limit"


def test_probes(built: tuple[Object, ...]) -> None:
    for each in of_kind(built, "Deployment", "StatefulSet"):
        pod = each["spec"]["template"]["spec"]
        lasting = [c for c in containers(pod) if c in pod["containers"] or c.get("restartPolicy") == "Always"]
        for container in lasting:
            if container["name"] == "log-groomer" or name(each).endswith("migrate"):
                continue  # loops and waits, which the kubelet starts again when they end
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container[probe]["timeoutSeconds"] >= 5, f"{name(each)}/{container['name']}: {probe}"
            patience = container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"]
            assert patience >= 60, name(each)


def test_probes_are_light(built: tuple[Object, ...]) -> None:
    for pod in tiers(built).values():
        for container in containers(pod):
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                command = container.get(probe, {}).get("exec", {}).get("command", [])
                assert command[:1] in ([], ["pg_isready"], ["test"]) or command[1].startswith("/opt/kube-airflow/")
                assert container.get(probe, {}).get("httpGet", {}).get("path") != "/api/v2/monitor/health"


def test_each_tier_has_the_secrets_that_it_may_have(built: tuple[Object, ...]) -> None:
    pods = tiers(built)
    assert {tier: set(secret_files(pods[tier])["secrets"]) for tier in FILES} == FILES


def test_secrets_are_in_files_not_in_the_environment(built: tuple[Object, ...]) -> None:
    for tier, pod in tiers(built).items():
        for container in containers(pod):
            assert not [each for each in container.get("envFrom", []) if "secretRef" in each], tier
            secret = {each["name"] for each in container.get("env", []) if "secretKeyRef" in each.get("valueFrom", {})}
            assert secret <= {"RABBITMQ_DEFAULT_PASS"}, tier  # the official image has no other way


def test_the_jwt_secret_is_where_tokens_are_made_and_checked(built: tuple[Object, ...]) -> None:
    tiers_with_it = {
        tier
        for tier, pod in tiers(built).items()
        if any("AIRFLOW__API_AUTH__JWT_SECRET_CMD" in environment(built, each) for each in containers(pod))
    }
    assert tiers_with_it == {"api-server", "scheduler"}


def test_workers_know_no_metadata_database(built: tuple[Object, ...]) -> None:
    for tier in NO_DATABASE:
        found = environment(built, tiers(built)[tier]["containers"][0])
        assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD" not in found, tier
        assert "@no-metadata-database.invalid/" in found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], tier


def test_git_credentials_are_with_the_controller(built: tuple[Object, ...]) -> None:
    for tier, pod in tiers(built).items():
        secrets = {each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each}
        assert any(each.endswith("gitsync-repository") for each in secrets) == (tier == "gitsync")


def test_members_have_a_sidecar_that_starts_first(built: tuple[Object, ...]) -> None:
    for found in of_kind(built, *WORKLOADS):
        template = found["spec"]["template"]
        tier = next(each for each, pod in tiers(built).items() if pod is template["spec"])
        is_member = template["metadata"]["labels"].get("kube-airflow/gitsync") == "member"
        assert is_member == (tier in MEMBERS)
        if is_member:
            sidecar, wait = template["spec"]["initContainers"]
            assert (sidecar["name"], sidecar["restartPolicy"], wait["name"]) == ("gitsync", "Always", "wait")


def test_the_sidecar_alone_writes_the_tree_and_knows_the_member_token(built: tuple[Object, ...]) -> None:
    for tier in MEMBERS:
        pod = tiers(built)[tier]
        assert secret_files(pod)["gitsync-token"].keys() == {"member"}
        mounted = {
            (each["name"], mount["name"], bool(mount.get("readOnly")))
            for each in containers(pod)
            for mount in each["volumeMounts"]
            if mount["name"] in ("dags", "gitsync-token")
        }
        assert mounted == {("gitsync", "dags", False), ("gitsync", "gitsync-token", True), ("airflow", "dags", True)}


def test_workers_finish_their_tasks(built: tuple[Object, ...]) -> None:
    worker = tiers(built)["worker"]
    assert worker["terminationGracePeriodSeconds"] >= 120
    assert worker["containers"][0]["args"][:3] == ["airflow", "celery", "worker"]
    assert "command" not in worker["containers"][0], "the image's entry point passes signals to the main process alone"
