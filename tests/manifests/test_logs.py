"""The places of logs, and the logs that are removed."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.manifests.stack import ROOT, build, secret_files, tiers
from tests.manifests.test_components import overlay_of

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600
DAY = 24 * HOUR
WRITERS = {"dag-processor", "scheduler", "triggerer", "worker"}
READERS = {"api-server", *WRITERS}
BOTH = [("log-groomer", "persistent-logs"), ("persistent-logs", "log-groomer")]


def log(directory: Path, name: str, *, age: float, kib: int = 1) -> None:
    """Write a log file that was last written to ``age`` seconds ago, in a folder of the same age."""
    file = directory / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * kib * 1024)
    for each in (file, file.parent):
        os.utime(each, (time.time() - age, time.time() - age))


def groom(directory: Path, *, days: int = 15, mib: int = 1000) -> list[str]:
    """Groom once; return what is left."""
    environment = {"PATH": os.environ["PATH"], "RETENTION_DAYS": str(days), "MAX_MIB": str(mib), "PERIOD": "0"}
    command = ["bash", str(ROOT / "base/components/log-groomer/groom.sh"), str(directory)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_old_files_go_and_their_folders_an_hour_later(tmp_path: Path) -> None:
    old, young = "run_id=it's old; $(x)", "run_id=young"
    log(tmp_path, f"{old}/attempt=1.log", age=17 * DAY)
    log(tmp_path, f"{young}/attempt=1.log", age=14 * DAY)
    assert groom(tmp_path) == [old, young, f"{young}/attempt=1.log"]
    os.utime(tmp_path / old, (time.time() - 2 * HOUR, time.time() - 2 * HOUR))
    assert groom(tmp_path) == [young, f"{young}/attempt=1.log"]


def test_the_oldest_go_until_the_rest_fits(tmp_path: Path) -> None:
    for day in (1, 2, 3, 4):
        log(tmp_path, f"day {day}.log", age=day * DAY, kib=600)
    assert groom(tmp_path, mib=2) == ["day 1.log", "day 2.log", "day 3.log"]
    assert groom(tmp_path, mib=1) == ["day 1.log"]


def test_what_is_being_written_stays(tmp_path: Path) -> None:
    log(tmp_path, "running.log", age=HOUR / 2, kib=3000)
    log(tmp_path, "ended.log", age=2 * HOUR, kib=3000)
    assert groom(tmp_path, days=0, mib=1) == ["running.log"]


def test_a_directory_that_is_not_there_is_made(tmp_path: Path) -> None:
    assert groom(tmp_path / "logs") == []


@pytest.mark.parametrize("components", BOTH, ids="-".join)
def test_logs_are_groomed_where_they_are_kept(components: tuple[str, ...], tmp_path: Path) -> None:
    pods = tiers(build(overlay_of(components, tmp_path)))
    for tier in READERS:
        (volume,) = (each for each in pods[tier]["volumes"] if each["name"] == "logs")
        assert volume == {"name": "logs", "persistentVolumeClaim": {"claimName": "qq-9-logs"}}
    for tier, pod in pods.items():
        mounts = {
            container["name"]: mount["mountPath"]
            for container in pod["containers"]
            for mount in container["volumeMounts"]
            if mount["name"] == "logs"
        }
        wanted = {"airflow": "/opt/airflow/logs", "log-groomer": "/opt/airflow/logs"}
        assert tier not in WRITERS or mounts == wanted, tier
        assert pod["containers"][0]["name"] != "log-groomer"


def test_remote_logs_are_for_who_writes_and_reads_them(tmp_path: Path) -> None:
    pods = tiers(build(overlay_of(("remote-logs",), tmp_path)))
    with_access = {
        tier
        for tier, pod in pods.items()
        if secret_files(pod).get("remote-logs") == {"credentials": ("qq-9-remote-logs", "credentials")}
    }
    configured = {
        tier
        for tier, pod in pods.items()
        for container in pod["containers"]
        for source in container.get("envFrom", [])
        if source["configMapRef"]["name"].startswith("qq-9-remote-logs-")
    }
    assert with_access == configured == READERS
