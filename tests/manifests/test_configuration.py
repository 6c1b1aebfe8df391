"""Configuration is in files: a change restarts the pods that read it, and no others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.manifests.stack import (
    OVERLAYS,
    ROOT,
    WORKLOADS,
    build,
    bytes_of,
    copy_of_the_stack,
    of_kind,
    tier,
    tiers,
)

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = {"api-server", "scheduler", "dag-processor", "triggerer"}
AIRFLOW = {*DATABASE, "worker", "flower"}
READERS = {
    "config/airflow.env": {*AIRFLOW, "gitsync"},  # the gate
    "config/metadata-database.env": DATABASE,
    "config/no-metadata-database.env": {"worker", "flower"},
    "config/dags.env": {*DATABASE, "worker"},
    "config/broker.env": {"scheduler", "worker", "flower"},
    "config/results.env": {"scheduler", "worker"},
    "config/hosts.env": {*AIRFLOW, "gitsync"},
    "api-server/api-server.env": {"api-server"},
    "scheduler/scheduler.env": {"scheduler"},
    "dag-processor/dag-processor.env": {"dag-processor"},
    "triggerer/triggerer.env": {"triggerer"},
    "worker/worker.env": {"worker"},
    "flower/flower.env": {"flower"},
    "gitsync/gitsync.yaml": {"gitsync"},
    "gitsync/names.env": {"gitsync"},
    "postgres/roles.sql": {"postgres"},
    "rabbitmq/rabbitmq.conf": {"rabbitmq"},
    "migrate/grants.sql": {"migrate"},
    "migrate/migrate.env": {"migrate"},
    "migrate/migrate.sh": {"migrate"},
}


def templates(directory: Path) -> dict[str, object]:
    """Return the pod templates by tier."""
    return {tier(each): each["spec"]["template"] for each in of_kind(build(directory), *WORKLOADS)}


def test_every_configuration_file_has_its_readers_here() -> None:
    base = ROOT / "base"
    files = {path for each in ("env", "sql", "sh", "conf") for path in base.rglob(f"*.{each}")}
    files.add(base / "gitsync/gitsync.yaml")
    optional = {base / "components", base / "pod"}  # what the base builds only with a component
    assert {str(path.relative_to(base)) for path in files if optional.isdisjoint(path.parents)} == READERS.keys()


@pytest.mark.parametrize("file", READERS)
def test_a_change_restarts_its_readers_alone(file: str, tmp_path: Path) -> None:
    before = templates(ROOT)
    changed = copy_of_the_stack(tmp_path) / "base" / file
    changed.write_text(changed.read_text() + "CHANGED=1\n")
    after = templates(tmp_path)
    assert {each for each in before if before[each] != after[each]} == READERS[file]


def settings(file: str) -> dict[str, str]:
    """Return the variables of a file in base/."""
    lines = (ROOT / "base" / file).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_what_is_said_twice_is_said_alike() -> None:
    migrate = settings("migrate/migrate.env")
    assert migrate["AUTH_MANAGER"] == settings("config/airflow.env")["AIRFLOW__CORE__AUTH_MANAGER"]
    assert migrate["POSTGRES_HOST"] == settings("config/hosts.env")["POSTGRES_HOST"]


def test_rabbitmq_knows_its_limit() -> None:
    match = re.search(
        r"total_memory_available_override_value = (\d+)MB", (ROOT / "base/rabbitmq/rabbitmq.conf").read_text()
    )
    assert match
    limit = tiers(build(ROOT))["rabbitmq"]["containers"][0]["resources"]["limits"]["memory"]
    assert int(match[1]) * 1000 * 1000 <= bytes_of(limit)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_brings_its_own_repository(overlay: str) -> None:
    assert (ROOT / "overlays" / overlay / "gitsync.yaml").read_text() != (
        ROOT / "base/gitsync/gitsync.yaml"
    ).read_text()
