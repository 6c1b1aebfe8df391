"""DAG files for the tests. ``label`` names the commit from which a piece of code comes."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = """
import time
from pathlib import Path

from airflow.sdk import chain, dag, task

LABEL = {label!r}
"""

_SIMPLE = """
@dag("{dag}", schedule=None, description=LABEL)
def tasks():
    @task
    def first():
        return LABEL

    @task
    def second():
        return LABEL

    first() >> second()

tasks()
"""

_GATED = """
def labels():
    import late_{dag}
    return [LABEL, late_{dag}.LABEL]

@dag("{dag}", schedule=None)
def tasks():
    @task
    def first(dag_run=None):
        gate = Path(dag_run.conf["gate"])
        gate.with_suffix(".waiting").touch()
        end = time.monotonic() + 120
        while not gate.exists() and time.monotonic() < end:
            time.sleep(0.05)
        return labels()

    @task
    def second():
        return labels()

    first() >> second()

tasks()
"""

_CHAIN = """
time.sleep({seconds})

@dag("{dag}", schedule=None)
def tasks():
    made = []
    for name in {names}:
        @task(task_id=name)
        def labelled():
            return LABEL

        made.append(labelled())
    chain(*made)

tasks()
"""

_SLOW = """
with open({marks!r}, "a") as file:
    file.write(LABEL + "\\n")
time.sleep({seconds})
"""


def simple(dag: str, label: str, folder: str = "") -> dict[str, str]:
    """Two tasks, each returning the label."""
    return _files(dag, folder, _HEAD.format(label=label) + _SIMPLE.format(dag=dag))


def gated(dag: str, label: str, folder: str = "") -> dict[str, str]:
    """Two tasks; the first waits for the file ``gate``, and only then imports a module of the repository."""
    files = _files(dag, folder, _HEAD.format(label=label) + _GATED.format(dag=dag))
    return {**files, str(PurePosixPath(folder, f"late_{dag}.py")): f"LABEL = {label!r}\n"}


def chain(dag: str, label: str, names: Sequence[str], *, seconds: float = 0) -> dict[str, str]:
    """Tasks of these names, one after the other, each returning the label; the file takes ``seconds`` to parse."""
    text = _HEAD.format(label=label) + _CHAIN.format(dag=dag, names=list(names), seconds=seconds)
    return _files(dag, "", text)


def slow(dag: str, label: str, marks: str, seconds: float, folder: str = "") -> dict[str, str]:
    """Notes each import in ``marks``, and takes its time."""
    text = _HEAD.format(label=label) + _SLOW.format(marks=marks, seconds=seconds) + _SIMPLE.format(dag=dag)
    return _files(dag, folder, text)


def _files(dag: str, folder: str, text: str) -> dict[str, str]:
    return {str(PurePosixPath(folder, f"{dag}.py")): text}
