"""A run of many short tasks, and the outcome of each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hack.operate.errors import Failure
from tests.cluster.instances import DAGS, PATIENCE, eventually

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest

TASKS = 24


@dataclass(frozen=True)
class Load:
    """A run of the DAG `many`."""

    dev: UnderTest
    run: str

    @classmethod
    def start(cls, dev: UnderTest) -> Load:
        source = (DAGS / "many.py").read_text().replace("TASKS", str(TASKS))
        if not Path(dev.clone.working_dir, "many.py").exists():
            dev.wait_listed("many", dev.push(many=source))
        return cls(dev, dev.airflow.trigger("many"))

    def tasks(self) -> list[Any]:
        path = f"/dags/many/dagRuns/{self.run}/taskInstances?limit=100"
        found: list[Any] = self.dev.airflow.ask("GET", path)["task_instances"]
        return found

    def ended(self) -> bool:
        try:
            found = self.dev.airflow.ask("GET", f"/dags/many/dagRuns/{self.run}")
        except Failure:  # what serves the API may be away as well
            return False
        return found["state"] not in ("queued", "running")

    def wait_for_ended(self, number: int) -> None:
        def enough() -> bool:
            return len([task for task in self.tasks() if task["state"] == "success"]) >= number

        eventually(enough, f"{number} tasks have ended", self.dev.findings)

    def finish(self, *, tries: int = 1) -> None:
        """Wait for the run's success; no task may have been lost, that is begun twice or never.

        A task that was about to start when the database went is queued again after `[scheduler] task_queued_timeout`.
        """
        deadline = time.monotonic() + 3 * PATIENCE
        while not self.ended() and time.monotonic() < deadline:
            time.sleep(1)
        self.dev.wait_run(self.run, "many")
        found = self.tasks()
        assert (len(found), {task["state"] for task in found}) == (TASKS, {"success"})
        assert max(task["try_number"] for task in found) <= tries


def delete_pods(dev: UnderTest, component: str) -> None:
    """Kill what runs there, without asking it."""
    selector = f"app.kubernetes.io/component={component},{dev.instance.selector}"
    dev.instance.kubectl("delete", "pod", "-l", selector, "--force", "--grace-period=0")
