"""Replaces the metadata database of an instance by a backup.

hack/kube-airflow restore --overlay dev airflow.dump    then apply the overlay again

It stops all pods that write to the database, and replaces everything in it. Apply the overlay afterwards: that starts
the pods again, and migrates a backup of an earlier version. Airflow needs the Fernet key of the saved instance to read
the connections: hack/kube-airflow secrets --value airflow/fernet-key=KEY gives it to another instance.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from hack.operate import options
from hack.operate.backup import in_postgres, must_have_postgres
from hack.operate.errors import Failure
from hack.operate.overlay import TIER

if TYPE_CHECKING:
    import argparse

    from hack.operate.instance import Instance

WRITERS = (
    *("deployment/scheduler", "deployment/dag-processor", "deployment/api-server", "statefulset/triggerer"),
    "deployment/migrate",  # a new pod migrates the restored database
)
"""Workloads that write to the metadata database, and would lock its tables."""
RESTORE = ("pg_restore", "--username=airflow", "--dbname=airflow", "--clean", "--if-exists", "--single-transaction")


def arguments(parser: argparse.ArgumentParser) -> None:
    options.instance(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="a file that `backup` has written")


def run(given: argparse.Namespace) -> None:
    source: Path = given.file
    if not source.is_file() or not source.stat().st_size:
        raise Failure(f"{source} is missing or empty")
    instance = options.chosen(given)
    must_have_postgres(instance)
    with source.open("rb") as file:  # before anything is stopped: this fails without a database, and without a dump
        in_postgres(instance, "pg_restore", "--list", stdin=file, stdout=subprocess.DEVNULL)
    for writer in WRITERS:
        stop(instance, writer)
    with source.open("rb") as file:
        in_postgres(instance, *RESTORE, stdin=file, stdout=subprocess.DEVNULL)
    again = f"`hack/kube-airflow apply --overlay {given.overlay}`" if given.overlay else "apply the overlay again"
    print(f"restored; {again}, which migrates an older backup and starts the stopped pods")


def stop(instance: Instance, workload: str) -> None:
    """Stop all pods of a workload, and wait until they are gone."""
    name = instance.named(workload)
    instance.kubectl("scale", name, "--replicas=0")
    tier = f"{TIER}={workload.partition('/')[2]},{instance.selector}"
    instance.kubectl("wait", "pod", "--selector", tier, "--for=delete", "--timeout=300s")
    print(f"stopped {name}", flush=True)
