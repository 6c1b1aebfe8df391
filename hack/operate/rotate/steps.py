"""The steps of a rotation, in an order in which every login works again soon, with the old secret or the new one."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hack.operate.errors import Failure
from hack.operate.rotate.readers import readers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hack.operate.instance import Instance, Values

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
"""Runs the query in a pod of Airflow, for a database outside the instance."""


def say(text: str) -> None:
    print(text, flush=True)


def rotate(instance: Instance, values: Values) -> None:
    """Change all secrets, then restart, so that pods are replaced once; readers of the Fernet key, twice."""
    with drained(instance) if JWT in values else nullcontext():
        for path, value in values.items():
            change(instance, path, value)
        show_pods(instance)
        restart(instance, values)
        # Airflow's own commands come last, because its pods need the new passwords for the database.
        if ADMIN in values:
            change_admin(instance, values[ADMIN])
        if FERNET in values:
            finish_fernet(instance)
            restart(instance, [FERNET])


def change(instance: Instance, path: str, value: str) -> None:
    """Change one secret in its server, then in its Secret."""
    if path == ADMIN:
        return
    name, _slash, key = path.partition("/")
    if path in ROLES and instance.find("statefulset", "postgres"):
        change_role(instance, ROLES[path], value)
    elif path == BROKER and instance.find("statefulset", "rabbitmq"):
        # rabbitmqctl reads the password from standard input if no argument has it. With further arguments it hangs.
        instance.execute("statefulset/rabbitmq", "rabbitmqctl change_password airflow", f"{value}\n", "rabbitmq")
    elif path == FERNET:
        value = f"{value},{instance.secret(name, key)}"  # Airflow still needs the old key to read its data
    instance.put(name, {key: value})
    say(f"{path}: changed")


def change_role(instance: Instance, role: str, value: str) -> None:
    """Set the password of a role, as the superuser.

    The superuser's own new password is written into the Secret first. An interruption would otherwise lose it.
    """
    if role == "postgres":
        instance.put("postgres", {"postgres-password-next": value})
    literal = value.replace("'", "''")
    ask_postgres(instance, f"alter role {role} password '{literal}'")
    if role == "postgres":
        instance.put("postgres", {"postgres-password": value, "postgres-password-next": None})


def ask_postgres(instance: Instance, query: str) -> str:
    """Run a query as the superuser. If its password is refused, try the one that an interrupted rotation has noted."""
    kept = instance.values("postgres") or {}
    script = "IFS= read -r PGPASSWORD; export PGPASSWORD; exec psql -qAtX -v ON_ERROR_STOP=1 -U postgres airflow"
    try:
        return instance.execute("statefulset/postgres", script, f"{kept['postgres-password']}\n{query};\n", "postgres")
    except Failure as failure:
        if "password authentication failed" not in str(failure) or "postgres-password-next" not in kept:
            raise
    password = kept["postgres-password-next"]
    return instance.execute("statefulset/postgres", script, f"{password}\n{query};\n", "postgres")


def change_admin(instance: Instance, value: str) -> None:
    # The command reads the password twice from standard input if no argument has it.
    instance.execute("deployment/api-server", "airflow users reset-password --username admin", f"{value}\n{value}\n")
    name, _slash, key = ADMIN.partition("/")
    instance.put(name, {key: value})
    say(f"{ADMIN}: changed")


def finish_fernet(instance: Instance) -> None:
    """Encrypt everything with the new key, and forget the old one."""
    instance.execute("deployment/api-server", "airflow rotate-fernet-key")
    instance.put("airflow", {"fernet-key": instance.secret("airflow", "fernet-key").split(",")[0]})
    say(f"{FERNET}: everything is encrypted with the new key")


def show_pods(instance: Instance) -> None:
    """Make the kubelets update mounted Secrets now, not within a minute, by a change of an annotation on each pod."""
    now = f"kube-airflow/secrets-changed={datetime.now(UTC):%Y%m%dT%H%M%S}"
    instance.kubectl("annotate", "--overwrite", "pods", "--selector", instance.selector, now)


def restart(instance: Instance, paths: Iterable[str]) -> None:
    """Replace the pods that have read these keys. Workers finish their tasks first."""
    restarted = readers(instance, paths)
    if not restarted:
        return
    instance.kubectl("rollout", "restart", *restarted)
    for reader in restarted:
        say(f"waiting for {reader}")
        instance.kubectl("rollout", "status", reader)


@contextmanager
def drained(instance: Instance) -> Iterator[None]:
    """Stop all schedulers, and wait until no task is queued or running. Start the schedulers again in any case."""
    scheduler = instance.named("scheduler")
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
    """The queued and running tasks, in one line."""
    if instance.find("statefulset", "postgres"):
        found = ask_postgres(instance, UNFINISHED)
    else:
        found = instance.execute("deployment/api-server", "python -", UNFINISHED_ELSEWHERE)
    return ", ".join(found.split("\n")[:-1])
