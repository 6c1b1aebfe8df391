"""A worker without the metadata database: tasks get everything through the execution API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.airflow.processes import wait_until

if TYPE_CHECKING:
    from tests.airflow.stack import Stack

READS = """
from airflow.sdk import Connection, Variable, dag, task

@dag("reads", schedule=None)
def reads():
    @task
    def read():
        connection = Connection.get("warehouse")
        return [Variable.get("region"), connection.host, connection.password, connection.extra_dejson]

    @task
    def again(found):
        return found

    again(read())

reads()
"""


def test_tasks_have_variables_connections_and_xcoms(stack: Stack) -> None:
    stack.api("POST", "variables", {"key": "region", "value": "eu-west"})
    connection = {"connection_id": "warehouse", "conn_type": "postgres", "host": "db.example.org"}
    stack.api("POST", "connections", {**connection, "password": "a'b\"c@", "extra": '{"sslmode": "require"}'})
    stack.dags.publish({"airflow/reads.py": READS})
    wait_until("Airflow lists reads", lambda: listed(stack), 420, poll=0.5)
    run = stack.trigger("reads")
    run.finish(420)
    assert run.returned("again") == ["eu-west", "db.example.org", "a'b\"c@", {"sslmode": "require"}]


def listed(stack: Stack) -> bool:
    return any(each["dag_id"] == "reads" for each in stack.api("GET", "dags")["dags"])
