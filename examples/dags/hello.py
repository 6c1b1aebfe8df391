"""Two tasks that say which commit of this repository they run: always the same one within a run."""

from pathlib import Path

from airflow.sdk import dag, task


def commit() -> str:
    """The revision of the tree that this file was loaded from: its directory in the bundle has the commit's name."""
    return Path(__file__).resolve().parent.name


@dag(schedule=None, tags=["example"])
def hello() -> None:
    @task
    def first() -> str:
        return commit()

    @task
    def second(seen: str) -> str:
        if seen != commit():
            raise RuntimeError(f"the first task ran {seen}, this one runs {commit()}")
        print(f"both tasks ran {seen}")
        return seen

    second(first())


hello()
