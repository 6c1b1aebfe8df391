"""Saves the metadata database of an instance to a file.

hack/kube-airflow backup --overlay dev airflow.dump

The Fernet key is not in the backup. Keep it, because without it Airflow cannot read the connections.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from hack.operate import options
from hack.operate.cluster import EXECUTE
from hack.operate.errors import Failure

if TYPE_CHECKING:
    import argparse
    from typing import IO

    from hack.operate.instance import Instance

LOGIN = 'export PGPASSWORD="$(cat /etc/postgres/secrets/airflow-password)"; exec "$@"'
"""Runs a program as the owner of the database. The password is in the environment, because arguments are public."""


def arguments(parser: argparse.ArgumentParser) -> None:
    options.instance(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to write, in pg_dump's custom format")


def run(given: argparse.Namespace) -> None:
    instance = options.chosen(given)
    must_have_postgres(instance)
    target: Path = given.file
    partial = target.with_name(f"{target.name}.new")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        with partial.open("wb") as file:
            dump = ("pg_dump", "--username=airflow", "--format=custom", "airflow")
            in_postgres(instance, *dump, stdin=subprocess.DEVNULL, stdout=file)
    except OSError as error:
        raise Failure(f"cannot write {partial}: {error.strerror}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(target)
    print(f"wrote {target}, {target.stat().st_size} bytes")


def must_have_postgres(instance: Instance) -> None:
    """Raise Failure if the instance has no PostgreSQL of its own, or is not applied."""
    if not instance.find("statefulset", "postgres"):
        name = instance.named("statefulset/postgres")
        raise Failure(f"there is no {name} in {instance.namespace}: an external database has a backup of its own")


def in_postgres(instance: Instance, *command: str, stdin: IO[bytes] | int, stdout: IO[bytes] | int) -> None:
    """Run a program in the database's pod, with two files as its input and output. Raises Failure with its error."""
    words = (*EXECUTE, "--stdin", instance.named("statefulset/postgres"), "--", "sh", "-c", LOGIN, "-", *command)
    instance.cluster.stream("--namespace", instance.namespace, *words, stdin=stdin, stdout=stdout)
