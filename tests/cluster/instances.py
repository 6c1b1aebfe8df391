"""Instances under test: their DAG repository, Airflow's API, and gitsync's status."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import git

from hack.lab.stack.airflow import Airflow
from hack.lab.stack.dags import address
from hack.operate.errors import Failure
from hack.operate.instance import wait_until_it_listens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hack.operate.instance import Instance

PATIENCE = 420.0
"""Seconds to wait for what should take a few: the machine may be slow, and no test is about speed."""
DAGS = Path(__file__).parent / "dags"
SAYING = """
from airflow.sdk import dag, task

@dag(schedule=None)
def {name}():
    @task
    def say():
        return "{mark}"
    say()

{name}()
"""
AUTHOR = git.Actor("DAG author", "author@example.org")


def lock_dag(mark: str) -> dict[str, str]:
    """The files of a DAG of two tasks, the first of which waits until `UnderTest.let_go`; each says ``mark``."""
    return {name: (DAGS / f"{name}.py").read_text().replace("REVISION", mark) for name in ("lock", "lock_helper")}


def literals(values: Mapping[str, str]) -> list[str]:
    """The options by which `kubectl create secret generic` is given values."""
    return [f"--from-literal={key}={value}" for key, value in values.items()]


def eventually(
    ask: Callable[[], Any], what: str, otherwise: Callable[[], object] = str, patience: float = PATIENCE
) -> Any:
    """The first truthy answer; an error that passes is waited out too. On failure say what was found."""
    deadline = time.monotonic() + patience
    found: Any = None
    while time.monotonic() < deadline:
        try:
            found = ask()
        except Failure as error:
            found = error
        else:
            if found:
                return found
        time.sleep(0.2)
    raise AssertionError(f"not within {patience:.0f} s: {what}; last answer: {found}\n{otherwise()}")


@dataclass
class UnderTest:
    """One running instance."""

    instance: Instance
    clone: git.Repo
    airflow: Airflow
    commits: list[str] = field(default_factory=list)

    @classmethod
    def connect(cls, instance: Instance, directory: Path) -> UnderTest:
        server, web = instance.url("git-server", 8080), instance.url("api-server", 8080)
        if server is None or web is None:
            raise Failure("the tests run on the embedded node, whose node ports can be reached")
        wait_until_it_listens(server)
        clone = git.Repo.clone_from(address(instance, server), directory)
        return cls(instance, clone, Airflow(web, "admin", instance.secret("airflow", "admin-password")))

    # -- the DAG repository --------------------------------------------------------------------------------------

    def push(self, **files: str) -> str:
        """Commit ``name="content"`` as ``name.py`` and push; the new revision."""
        for name, content in files.items():
            (Path(self.clone.working_dir) / f"{name}.py").write_text(content)
            self.clone.index.add([f"{name}.py"])
        revision = self.clone.index.commit("Change DAGs", author=AUTHOR, committer=AUTHOR).hexsha
        self.clone.remote().push("HEAD:main").raise_if_error()
        self.commits.append(revision)
        return revision

    def push_elsewhere(self, branch: str, **files: str) -> str:
        """Have ``branch`` hold ``name="content"`` as ``name.py`` and nothing else; the new revision."""
        with tempfile.TemporaryDirectory() as directory, git.Repo.init(directory) as repo:
            for name, content in files.items():
                Path(directory, f"{name}.py").write_text(content)
                repo.index.add([f"{name}.py"])
            revision = repo.index.commit("Change DAGs", author=AUTHOR, committer=AUTHOR).hexsha
            repo.create_remote("origin", self.clone.remote().url).push(f"+HEAD:refs/heads/{branch}").raise_if_error()
        return revision

    def push_lock_dag(self, mark: str) -> str:
        """Push the two-task DAG, whose every file says ``mark``."""
        return self.push(**lock_dag(mark))

    # -- gitsync -------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What `gitsync status --json` says of the source."""
        name = f"statefulset/{self.instance.name}-gitsync"
        document = json.loads(self.instance.kubectl("exec", name, "--", "gitsync", "status", "--json"))
        source: dict[str, Any] = document["sources"][0]
        return source

    def published(self, source: str = "dags") -> str | None:
        record = self.record(source)
        return record["revision"] if record["phase"] == "published" else None

    def record(self, source: str = "dags") -> dict[str, Any]:
        """The record of what is published, as the controllers agree on it."""
        found = self.instance.get("configmap", f"{self.instance.name}-gitsync-state")
        record: dict[str, Any] = json.loads(found["data"][source])
        return record

    def wait_published(self, revision: str) -> None:
        eventually(lambda: self.published() == revision, f"{revision} is published", self.findings)

    def wait_deferred(self, revision: str) -> dict[str, Any]:
        """Wait until ``revision`` is staged everywhere and deferred because of a run."""

        def deferred() -> dict[str, Any] | None:
            status = self.status()
            waits = status["candidate"] == revision and status["blocking_runs"]
            return status if waits and all(member["staged"] for member in status["members"]) else None

        found: dict[str, Any] = eventually(deferred, f"{revision} is deferred by a run", self.findings)
        return found

    # -- Airflow -------------------------------------------------------------------------------------------------

    def wait_listed(self, dag: str, revision: str) -> None:
        """Wait until Airflow has the DAG as it is in ``revision``."""
        self._eventually(lambda: self.airflow.ask("GET", f"/dags/{dag}")["bundle_version"] == revision, "listed")
        self._eventually(
            lambda: (
                self.airflow.ask("GET", f"/dags/{dag}/dagVersions?order_by=-version_number&limit=1")["dag_versions"][0][
                    "bundle_version"
                ]
                == revision
            ),
            f"{dag} is serialized from {revision}",
        )

    def wait_known(self, dag: str) -> None:
        self._eventually(lambda: self.airflow.ask("GET", f"/dags/{dag}"), f"{dag} is listed")

    def start(self, dag: str = "lock") -> str:
        """Trigger a run that waits in its first task, and wait until it is there."""
        self.let_go("no")
        run = self.airflow.trigger(dag)
        self._eventually(lambda: self.task(run, "first", dag)["state"] == "running", f"first task of {run} runs")
        return run

    def let_go(self, word: str = "yes") -> None:
        variable = {"key": "go", "value": word}
        try:
            self.airflow.ask("PATCH", "/variables/go", variable)
        except Failure:
            self.airflow.ask("POST", "/variables", variable)

    def task(self, run: str, task: str, dag: str = "lock") -> Any:
        return self.airflow.ask("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}")

    def wait_run(self, run: str, dag: str = "lock") -> Any:
        """Wait until the run has ended; it must have succeeded."""

        def ended() -> Any:
            found = self.airflow.ask("GET", f"/dags/{dag}/dagRuns/{run}")
            return None if found["state"] in ("queued", "running") else found

        found = self._eventually(ended, f"{run} of {dag} ends")
        assert found["state"] == "success", f"{run} of {dag} is {found['state']}\n{self.findings()}"
        return found

    def result(self, run: str, task: str = "second", dag: str = "lock") -> Any:
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value?deserialize=true"
        return self.airflow.ask("GET", path)["value"]

    def stored_password(self, connection: str) -> str:
        """The password of a connection, as only Airflow's Fernet key reads it."""
        command = f"airflow connections get {connection} --output json 2>/dev/null"
        scheduler = f"deployment/{self.instance.name}-scheduler"
        text = self.instance.kubectl("exec", scheduler, "-c", "airflow", "--", "sh", "-c", command)
        found: str = json.loads(text[text.index("[") :])[0]["password"]
        return found

    def _eventually(self, ask: Callable[[], Any], what: str) -> Any:
        return eventually(ask, what, self.findings)

    # -- pods ----------------------------------------------------------------------------------------------------

    def signal(self, pod: str, container: str, process: str, number: str) -> None:
        """Send a signal to a process inside a pod; what runs as its first process is spared, and cannot be stopped."""
        script = (
            "for p in /proc/[0-9]*; do [ ${p#/proc/} = 1 ] || [ ${p#/proc/} = $$ ] || "
            f"{{ tr '\\0' ' ' < $p/cmdline | grep -q '{process}' && kill -{number} ${{p#/proc/}}; }}; done; true"
        )
        name = f"{self.instance.name}-{pod}"
        self.instance.kubectl("exec", name, "--container", container, "--", "sh", "-c", script)

    def findings(self) -> str:
        """Everything the next reader needs."""
        commands = (
            ("exec", f"statefulset/{self.instance.name}-gitsync", "--", "gitsync", "status"),
            ("logs", f"statefulset/{self.instance.name}-gitsync", "--tail=40"),
            ("logs", f"statefulset/{self.instance.name}-worker", "-c", "gitsync", "--tail=10"),
            ("logs", f"deployment/{self.instance.name}-dag-processor", "-c", "airflow", "--tail=20"),
            ("logs", f"deployment/{self.instance.name}-scheduler", "--tail=20"),
        )
        texts = [f"$ kubectl {' '.join(command)}\n{self._try(command)}" for command in commands]
        return "\n".join([*texts, self.instance.findings()])

    def _try(self, command: tuple[str, ...]) -> str:
        return self.instance.cluster.run("--namespace", self.instance.namespace, *command, check=False)
