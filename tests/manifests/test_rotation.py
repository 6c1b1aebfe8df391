"""The pods that `rotate` replaces after a change of a secret: those that read it only at their start."""

from __future__ import annotations

import pytest

from hack.operate.errors import Failure
from hack.operate.refusals import Refusals, refusal
from hack.operate.rotate.readers import keys_of
from hack.operate.rotate.verb import ALL, fresh
from tests.manifests.stack import OVERLAYS, ROOT, build, tiers

METADATA = {"api-server", "dag-processor", "scheduler", "triggerer"}
READERS: dict[str, set[str]] = {
    "postgres/postgres-password": set(),
    "postgres/airflow-password": {*METADATA, "migrate"},
    "postgres/celery-password": {"scheduler", "worker"},
    "postgres/gitsync-password": set(),
    "rabbitmq/password": {"flower", "scheduler", "worker"},
    "airflow/fernet-key": METADATA,
    "airflow/api-secret-key": {"api-server", "triggerer", "worker"},
    "airflow/jwt-secret": {"api-server", "scheduler"},
    "airflow/admin-password": {"migrate"},
    "flower/basic-auth": {"flower"},
    "gitsync/member": set(),
    "gitsync/operator": set(),
}


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("path", READERS)
def test_who_is_replaced(overlay: str, path: str) -> None:
    name, _slash, key = path.partition("/")
    pods = tiers(build(ROOT / "overlays" / overlay))
    readers = {tier for tier, pod in pods.items() if (f"{overlay}-{name}", key) in keys_of(pod)}
    assert readers == READERS[path]


def test_every_secret_that_can_be_made_is_rotated_by_all() -> None:
    assert set(ALL) == {*READERS, "git-server/password"}
    assert len({fresh(path) for path in ALL}) == len(ALL)


def test_what_comes_from_elsewhere_is_not_made_up() -> None:
    with pytest.raises(Failure, match="write gitsync-repository/password=-"):
        fresh("gitsync-repository/password")


def test_a_refusal_must_last_before_it_counts() -> None:
    answers = iter([{"one": "no"}, {"one": "no"}])
    assert Refusals(lambda: next(answers), lasting=1000.0).lasting() == []
    assert Refusals(lambda: next(answers), lasting=0.0).lasting() == ["one: no"]


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        pytest.param(
            "Deployment",
            {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded"}]},
            "exceeded",
            id="deployment",
        ),
        pytest.param("Deployment", {}, None, id="deployment-well"),
        pytest.param("StatefulSet", {"replicas": 1}, "last", id="statefulset"),
        pytest.param("StatefulSet", {"replicas": 2}, None, id="statefulset-has-its-pods"),
    ],
)
def test_why_a_pod_is_not_made(kind: str, status: dict[str, object], expected: str | None) -> None:
    workload = {"kind": kind, "metadata": {"uid": "1"}, "spec": {"replicas": 2}, "status": status}
    events = [
        {"reason": "FailedCreate", "involvedObject": {"uid": uid}, "lastTimestamp": time, "message": message}
        for uid, time, message in (("1", "2026-01-02", "last"), ("1", "2026-01-01", "first"), ("2", "2026-01-03", "no"))
    ]
    assert refusal(workload, events) == expected
