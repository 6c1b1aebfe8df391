"""The component backup: its pod keeps the rules for all pods, and its volume outlives the overlay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.manifests.network import Network, Place, pods
from tests.manifests.stack import build, environment, name, names, of_kind, secret_files
from tests.manifests.test_components import overlay_of

if TYPE_CHECKING:
    from pathlib import Path


def test_the_claim_is_no_part_of_the_overlay_and_follows_its_prefix(tmp_path: Path) -> None:
    objects = build(overlay_of(("backup",), tmp_path))
    (cron_job,) = of_kind(objects, "CronJob")
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert not names(objects, "PersistentVolumeClaim")
    claims = [volume["persistentVolumeClaim"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    assert claims == [{"claimName": "qq-9-backup"}]
    assert secret_files(pod)["secrets"] == {"airflow-password": ("qq-9-postgres", "airflow-password")}
    assert environment(objects, pod["containers"][0])["POSTGRES_HOST"] == "qq-9-postgres"
    assert name(cron_job) == "qq-9-backup"


def test_its_pod_is_let_through_to_the_database_alone(tmp_path: Path) -> None:
    objects = build(overlay_of(("backup", "network-policy"), tmp_path))
    (cron_job,) = of_kind(objects, "CronJob")
    network, servers = Network(tuple(of_kind(objects, "NetworkPolicy"))), pods(objects)
    backup = Place(cron_job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"], "airflow")
    assert network.allows(backup, servers["postgres"], 5432)
    assert not network.allows(backup, servers["rabbitmq"], 5672)
