"""Two tasks that say which commit they run; the first waits until the test lets it go on."""

import time

from airflow.sdk import Variable, dag, task

MARK = "REVISION"


@task
def first() -> list[str]:
    print(f"first runs {MARK}")
    while Variable.get("go", default="no") != "yes":
        time.sleep(0.5)
    from lock_helper import MARK as imported_late

    return [MARK, imported_late]


@task
def second(seen: list[str]) -> list[str]:
    from lock_helper import MARK as imported_late

    return [*seen, MARK, imported_late]


@dag(schedule=None)
def lock() -> None:
    second(first())


lock()
