"""The order in which secrets change, so that nothing is ever let in by neither the old one nor the new one for long."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hack.rotate.instance import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hack.rotate.instance import Instance, Values

ROLES = {f"postgres/{role}-password": role for role in ("postgres", "airflow", "celery", "gitsync")}
BROKER, FERNET, JWT, ADMIN = "rabbitmq/password", "airflow/fernet-key", "airflow/jwt-secret", "airflow/admin-password"
GIT_SERVER, REPOSITORY = "git-server/password", "gitsync-repository/password"
UNFINISHED = "select dag_id, run_id, task_id from task_instance where state in ('queued', 'running')"
UNFINISHED_ELSEWHERE = f"""
from pathlib import Path
import psycopg2
url = Path("/run/airflow/sql_alchemy_conn").read_text().replace("+psycopg2", "", 1)
with psycopg2.connect(url) as connection, connection.cursor() as cursor:
    cursor.execute("{UNFINISHED}")
    print(*("|".join(row) for row in cursor.fetchall()), sep="\\n")
"""
"""Asks from a pod of Airflow, where the database is not ours."""


def say(text: str) -> None:
    print(text, flush=True)


def rotate(instance: Instance, values: Values) -> None:
    """All at once, so that each pod is replaced once; those that read the Fernet key twice."""
    with drained(instance) if JWT in values else nullcontext():
        for path, value in values.items():
            change(instance, path, value)
        show_pods(instance)
        restart(instance, values)
        # What Airflow itself must do comes last: before, its pods may not be let into the database.
        if ADMIN in values:
            change_admin(instance, values[ADMIN])
        if FERNET in values:
            finish_fernet(instance)
            restart(instance, [FERNET])


def change(instance: Instance, path: str, value: str) -> None:
    """Change one secret where it is kept, then in its Secret."""
    if path == ADMIN:
        return
    name, _slash, key = path.partition("/")
    if path in ROLES and instance.has("statefulset", "postgres"):
        change_role(instance, ROLES[path], value)
    elif path == BROKER and instance.has("statefulset", "rabbitmq"):
        # Asked for on standard input when it is in no argument; with any further argument rabbitmqctl hangs here.
        instance.run("statefulset/rabbitmq", "rabbitmqctl change_password airflow", f"{value}\n", "rabbitmq")
    elif path == FERNET:
        value = f"{value},{instance.secret(name)[key]}"  # what the old one has encrypted is still read
    instance.put(name, {key: value})
    say(f"{path}: changed")


def change_role(instance: Instance, role: str, value: str) -> None:
    """Set the password of a role, as the superuser; its own is noted first, so that it is never known to nobody."""
    if role == "postgres":
        instance.put("postgres", {"postgres-password-next": value})
    literal = value.replace("'", "''")
    ask_postgres(instance, f"alter role {role} password '{literal}'")
    if role == "postgres":
        instance.put("postgres", {"postgres-password": value, "postgres-password-next": None})


def ask_postgres(instance: Instance, query: str) -> str:
    """Ask as the superuser, with the password noted by a rotation that was interrupted if need be."""
    kept = instance.secret("postgres")
    script = "IFS= read -r PGPASSWORD; export PGPASSWORD; exec psql -qAtX -v ON_ERROR_STOP=1 -U postgres airflow"
    try:
        return instance.run("statefulset/postgres", script, f"{kept['postgres-password']}\n{query};\n", "postgres")
    except Failure as failure:
        if "password authentication failed" not in str(failure) or "postgres-password-next" not in kept:
            raise
    password = kept["postgres-password-next"]
    return instance.run("statefulset/postgres", script, f"{password}\n{query};\n", "postgres")


def change_admin(instance: Instance, value: str) -> None:
    # Asked for twice on standard input when it is in no argument.
    instance.run("deployment/api-server", "airflow users reset-password --username admin", f"{value}\n{value}\n")
    name, _slash, key = ADMIN.partition("/")
    instance.put(name, {key: value})
    say(f"{ADMIN}: changed")


def finish_fernet(instance: Instance) -> None:
    """Encrypt everything with the new key, and forget the old one."""
    instance.run("deployment/api-server", "airflow rotate-fernet-key")
    instance.put("airflow", {"fernet-key": instance.secret("airflow")["fernet-key"].split(",")[0]})
    say(f"{FERNET}: everything is encrypted with the new key")


def show_pods(instance: Instance) -> None:
    """Have the kubelets bring changed Secrets to the pods now, and not within a minute: they look after any change."""
    pods = [each["metadata"]["name"] for each in instance.get("pods")["items"]]
    now = f"kube-airflow/secrets-changed={datetime.now(UTC):%Y%m%dT%H%M%S}"
    for pod in pods:
        if pod.startswith(instance.prefix):
            instance.kubectl("annotate", "--overwrite", "pod", pod, now)


def restart(instance: Instance, paths: Iterable[str]) -> None:
    """Replace the pods that have read these keys; workers finish their tasks first."""
    readers = instance.readers(paths)
    if not readers:
        return
    instance.kubectl("rollout", "restart", *readers)
    for reader in readers:
        say(f"waiting for {reader}")
        instance.kubectl("rollout", "status", reader)


@contextmanager
def drained(instance: Instance) -> Iterator[None]:
    """No scheduler, and no task that is queued or runs; the schedulers come back whatever happens."""
    scheduler = f"{instance.prefix}scheduler"
    replicas = instance.get("deployment", scheduler)["spec"]["replicas"]
    say(f"no task is started until this is over: {scheduler} has no pod")
    instance.kubectl("scale", f"deployment/{scheduler}", "--replicas=0")
    try:
        wait_for_tasks(instance)
        yield
    finally:
        instance.kubectl("scale", f"deployment/{scheduler}", f"--replicas={replicas or 1}")
    instance.kubectl("rollout", "status", f"deployment/{scheduler}")


def wait_for_tasks(instance: Instance) -> None:
    said = None
    while unfinished := tasks(instance):
        if unfinished != said:
            say(f"waiting for {unfinished}")
            said = unfinished
        time.sleep(1)


def tasks(instance: Instance) -> str:
    """What is queued or runs, in one line."""
    if instance.has("statefulset", "postgres"):
        found = ask_postgres(instance, UNFINISHED)
    else:
        found = instance.run("deployment/api-server", "python -", UNFINISHED_ELSEWHERE)
    return ", ".join(found.split("\n")[:-1])
