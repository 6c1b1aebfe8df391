"""Many tasks of some seconds each; TASKS is how many."""

import time

from airflow.sdk import dag, task


@task(retries=3, retry_delay=1)
def short(number: int) -> int:
    time.sleep(2)
    return number


@dag(schedule=None, max_active_tasks=100)
def many() -> None:
    short.expand(number=list(range(TASKS)))  # noqa: F821 - a test writes a number


many()
