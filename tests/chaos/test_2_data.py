"""Data survives: removal of an instance, interrupted migrations, and a backup for another instance."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hack.operate import secrets
from hack.operate.instance import Instance
from hack.operate.overlay import CHECKOUT
from tests.cluster.instances import UnderTest, eventually
from tests.cluster.load import Load
from tests.cluster.overlays import dev_overlay, none_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def history(under_test: UnderTest) -> set[tuple[str, str, str]]:
    runs = under_test.airflow.ask("GET", "/dags/~/dagRuns?limit=100")["dag_runs"]
    return {(run["dag_id"], run["dag_run_id"], run["bundle_version"]) for run in runs}


def wait_ready(instance: Instance, dev: UnderTest) -> None:
    eventually(lambda: not instance.not_ready(), f"{instance.name} is ready", dev.findings)


def test_removed_and_applied_again_it_goes_on(dev: UnderTest) -> None:
    before, published = history(dev), dev.published()
    dev.instance.cluster.run("delete", "-k", str(dev.instance.overlay))
    dev.instance.apply()
    wait_ready(dev.instance, dev)
    again = reconnected(dev)
    assert history(again) >= before
    eventually(lambda: again.published() == published, "the same revision is published", again.findings)
    Load.start(again).finish()


def reconnected(dev: UnderTest) -> UnderTest:
    """Node ports are new ones after a Service was made again."""
    shutil.rmtree(dev.clone.working_dir)
    again = UnderTest.connect(dev.instance, Path(dev.clone.working_dir))
    dev.airflow, dev.clone = again.airflow, again.clone
    return dev


@pytest.fixture
def half(dev: UnderTest, tmp_path: Path) -> Iterator[Instance]:
    """An instance of nothing but PostgreSQL, the pod migrate and a scheduler that waits."""
    tiers = ("api-server", "dag-processor", "flower", "git-server", "gitsync", "rabbitmq", "triggerer", "worker")
    instance = Instance.of_overlay(dev.instance.cluster, dev_overlay(tmp_path, "half", replicas=none_of(*tiers)))
    secrets.provide(instance)
    instance.apply()
    yield instance
    remove(instance)


def remove(instance: Instance) -> None:
    instance.cluster.run("delete", "--ignore-not-found", "-k", str(instance.overlay))
    instance.kubectl("delete", "pvc", "-l", instance.selector)
    names = [each["metadata"]["name"] for each in instance.get("secrets")["items"]]
    instance.kubectl("delete", "secret", *[name for name in names if name.startswith(f"{instance.name}-")])


@pytest.mark.parametrize("component", ["migrate", "postgres"])
def test_a_migration_that_breaks_off_is_done_by_the_next_pod(half: Instance, component: str) -> None:
    """1. the pod is in the middle of the schema; 2. it is killed, or its database; 3. the next one is ready; 4. a tier
    that needs the schema has waited, and said for what."""

    def log(of: str, container: str) -> str:
        selector = f"app.kubernetes.io/component={of},{half.selector}"
        command = ("logs", "--namespace", half.namespace, "-l", selector, "-c", container, "--tail=-1")
        return half.cluster.run(*command, check=False)

    def tables() -> int:
        query = "select count(*) from pg_tables where schemaname = 'public'"
        script = f'PGPASSWORD=$(cat /etc/postgres/secrets/airflow-password) psql -qAtX -U airflow -c "{query}" airflow'
        return int(half.kubectl("exec", "half-postgres-0", "--", "sh", "-c", script))

    eventually(lambda: "Migrating" in log("migrate", "airflow") or tables() > 0, "it migrates", half.findings)
    selector = f"app.kubernetes.io/component={component},{half.selector}"
    half.kubectl("delete", "pod", "-l", selector, "--force", "--grace-period=0")

    def completed() -> bool:
        return not half.not_ready("migrate")

    eventually(completed, "it is done", half.findings)
    said = log("scheduler", "wait")
    assert "waiting: the schema is not there yet" in said
    assert "the pod migrate makes it" in said
    eventually(lambda: "waiting: the broker" in log("scheduler", "wait"), "it waits for the schema no more")


def test_a_backup_is_restored_into_another_instance(dev: UnderTest, tmp_path: Path) -> None:
    """As docs/operate.md says: 1. a dump; 2. another instance, with the same Fernet key and repository; 3. restored
    there: its history and its connections are those of the first, and it runs DAGs."""
    secret = {"connection_id": "moved", "conn_type": "http", "password": "what is moved"}
    dev.airflow.ask("POST", "/connections", secret)
    Load.start(dev).finish()
    before = history(dev)
    dump = tmp_path / "airflow.dump"
    operate(dev.instance, "backup", dump)

    instance = Instance.of_overlay(dev.instance.cluster, dev_overlay(tmp_path, "restored"))
    kept = ("fernet-key", "admin-password")  # what the dump's connections and users need
    values = [f"airflow/{key}={dev.instance.secret('airflow', key)}" for key in kept]
    secrets.provide(instance, given=values)
    instance.apply()
    try:
        eventually(lambda: not instance.not_ready("git-server"), "its Git server is ready", instance.findings)
        restored = UnderTest.connect(instance, tmp_path / "clone")
        dev.clone.git.push(restored.clone.remote().url, "HEAD:refs/heads/main")
        wait_ready(instance, restored)
        operate(instance, "restore", dump)
        instance.apply()
        wait_ready(instance, restored)
        assert history(restored) >= before
        assert restored.stored_password("moved") == "what is moved"
        load = Load(restored, restored.airflow.trigger("many"))
        load.finish()
    finally:
        remove(instance)


def operate(instance: Instance, verb: str, file: Path) -> None:
    command = [str(CHECKOUT / "hack/kube-airflow"), verb, "--overlay", str(instance.overlay), str(file)]
    done = subprocess.run(command, env=instance.cluster.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
