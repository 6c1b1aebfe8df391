"""Starts a whole Airflow: PostgreSQL, RabbitMQ, API server, scheduler, DAG processor, one Celery worker."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from gitsync.metadata.database import Database
from tests.airflow.dag_files import gated, simple
from tests.airflow.processes import Process, accepts, wait_until
from tests.airflow.servers import PASSWORD, Postgres, RabbitMQ, install_servers
from tests.airflow.trees import Trees
from tests.ports import free_port

CHECKOUT = Path(__file__).resolve().parents[2]
METADATA = "airflow"
API_SERVER = CHECKOUT / "base/api-server/api-server.env"
NO_METADATA_DATABASE = CHECKOUT / "base/config/no-metadata-database.env"
"""What workers get in place of the metadata database's connection string."""


class Stack:
    """Started once for all tests; two bundles, ``dags`` as we ship it and ``plain`` without versions."""

    def __init__(self) -> None:
        # Not pytest's: an unprivileged server cannot enter its folders.
        self.folder = Path(tempfile.mkdtemp(prefix="kube-airflow-tests-"))
        self.folder.chmod(0o755)
        self.logs = self.folder / "logs"
        self.logs.mkdir(mode=0o755)
        self.processes: list[Process] = []
        self.airflow_processes: list[Process] = []
        self.postgres = Postgres(self.folder / "postgres", self.logs)
        self.rabbitmq = RabbitMQ(self.folder / "rabbitmq", self.logs)
        self.dags = Trees(self.folder / "dags")
        self.plain = Trees(self.folder / "plain")
        self.sidecar_port = free_port()
        self.api_port = free_port()
        self.api_host = settings_of(API_SERVER)["AIRFLOW__API__HOST"]

    def start(self) -> None:
        install_servers()
        # The checkout itself would put every folder of it in the way of a package of that name.
        (self.folder / "packages").mkdir()
        (self.folder / "packages" / "gitsync").symlink_to(CHECKOUT / "gitsync")
        self.first = self.dags.publish({**simple("simple", "one", "airflow"), **gated("gated", "one", "airflow")})
        self.plain.publish(gated("unversioned", "one"))
        self.processes.extend(self.rabbitmq.start())
        self._start_postgres()
        wait_until("RabbitMQ listens", lambda: self._alive() and accepts(self.rabbitmq.port))
        self._start_airflow()

    def _start_postgres(self) -> None:
        self.processes.append(self.postgres.start())
        self.postgres.make(METADATA, METADATA)
        self.postgres.make("celery", "celery")
        self.airflow("db", "migrate")
        self.postgres.grant(METADATA)
        # Airflow's schema without an Airflow that would touch what a test writes.
        self.postgres.make(METADATA, "quiet", template=METADATA)
        self.postgres.grant("quiet")

    def _start_airflow(self) -> None:
        components = {
            "api-server": ("api-server", "--host", self.api_host, "--port", str(self.api_port), "--workers", "1"),
            "scheduler": ("scheduler",),
            "dag-processor": ("dag-processor",),
            "worker": ("celery", "worker", "--skip-serve-logs", "--without-mingle", "--without-gossip"),
        }
        for name, args in components.items():
            command = [str(self.environment / "bin/airflow"), *args]
            env = self.env | settings_of(NO_METADATA_DATABASE) if name == "worker" else self.env
            self.airflow_processes.append(Process(name, command, logs=self.logs, env=env))
            self.processes.append(self.airflow_processes[-1])
        worker = self.logs / "worker.log"
        wait_until("the API server answers", lambda: self._alive() and accepts(self.api_port), 300)
        wait_until("the scheduler and the DAG processor beat", lambda: self._alive() and self._healthy(), 300, poll=0.5)
        wait_until("the worker is ready", lambda: self._alive() and " ready." in worker.read_text(), 300)

    def _alive(self) -> bool:
        for process in self.processes:
            process.check()
        return True

    def _healthy(self) -> bool:
        health = self.health()
        return all(health[name]["status"] == "healthy" for name in ("metadatabase", "scheduler", "dag_processor"))

    def stop(self) -> None:
        for process in self.airflow_processes:
            process.ask_to_stop()  # together; each takes seconds, and none needs the others
        for process in reversed(self.processes):
            process.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def report(self) -> str:
        return "\n".join(f"--- {process.name}, end of its log\n{process.tail()}" for process in self.processes)

    @cached_property
    def environment(self) -> Path:
        """Airflow's virtual environment; this process never imports from it."""
        command = [str(CHECKOUT / "hack/lab/bootstrap"), "airflow"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return Path(done.stdout.strip())

    @cached_property
    def env(self) -> dict[str, str]:
        settings = {
            "CORE__EXECUTOR": "CeleryExecutor",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.api_port}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
            "API__SECRET_KEY": secrets.token_hex(32),
            "API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "DATABASE__SQL_ALCHEMY_CONN": self.connection(METADATA),
            "CELERY__RESULT_BACKEND": f"db+postgresql://{self._place('celery')}",
            "CELERY__BROKER_URL": f"amqp://guest:guest@127.0.0.1:{self.rabbitmq.port}//",
            "CELERY__WORKER_CONCURRENCY": "4",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            # What needs more than our own request is then seen to take minutes.
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120",
            "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(self.folder / "storage"),
            "DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(self._bundles()),
            "DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_INTERVAL": "0",
            "LOGGING__BASE_LOG_FOLDER": str(self.folder / "airflow-logs"),
            "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "TRACES__OTEL_ON": "False",
            "WORKERS__EXECUTION_API_TIMEOUT": "60",  # no test is about how fast a busy machine answers
        }
        return {
            "PATH": f"{self.environment / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "AIRFLOW_HOME": str(self.folder / "home"),
            "PYTHONPATH": str(self.folder / "packages"),
            "PYTHONDONTWRITEBYTECODE": "1",  # trees are read-only to Airflow
            "C_FORCE_ROOT": "1",
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        }

    def _bundles(self) -> list[dict[str, object]]:
        sidecar = f"http://127.0.0.1:{self.sidecar_port}"
        address = "https://git.example.org/dags/tree/{version}"
        kwargs: dict[str, dict[str, object]] = {
            "dags": {"subdirectory": "airflow", "sidecar": sidecar, "view_url_template": address},
            "plain": {"versioned": False},
        }
        roots = {"dags": self.dags.root, "plain": self.plain.root}
        return [
            {"name": name, "classpath": "gitsync.airflow.GitSyncBundle", "kwargs": {"root": str(roots[name]), **given}}
            for name, given in kwargs.items()
        ]

    def _place(self, name: str) -> str:
        return f"{name}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.postgres.port}/{name}"

    def connection(self, database: str) -> str:
        """What Airflow connects to a database by, whose owner has its name."""
        return f"postgresql+psycopg2://{self._place(database)}"

    def airflow(self, *args: str, env: dict[str, str] | None = None) -> str:
        """The output of one of Airflow's commands."""
        return self.run([str(self.environment / "bin/airflow"), *args], env)

    def python(self, script: str) -> str:
        """The output of a script in Airflow's own Python."""
        return self.run([str(self.environment / "bin/python"), "-c", script])

    def run(self, command: list[str], env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            command, env=env or self.env, cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)[:200]}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def database(self, name: str = METADATA, password: str = PASSWORD, *, port: int | None = None) -> Database:
        """As the controller sees it: a role that may read five tables."""
        secret = self.folder / "gitsync-password"
        secret.write_text(f"{password}\n")
        return Database(host="127.0.0.1", port=port or self.postgres.port, name=name, password_file=secret)

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        token = session.get(f"http://127.0.0.1:{self.api_port}/auth/token", timeout=30).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        return session

    def api(self, method: str, page: str, body: object = None) -> Any:
        """An answer of the REST API. Raises on any error status."""
        url = f"http://127.0.0.1:{self.api_port}/api/v2/{page}"
        answer = self._session.request(method, url, json=body, timeout=120)
        if not answer.ok:
            raise RuntimeError(f"{method} {page}: {answer.status_code} {answer.text[:1000]}")
        return answer.json() if answer.content else None

    def health(self) -> Any:
        return requests.get(f"http://127.0.0.1:{self.api_port}/api/v2/monitor/health", timeout=120).json()

    def trigger(self, dag: str, **conf: object) -> Run:
        body = {"logical_date": None, "conf": conf}
        began = time.monotonic()
        run = self.api("POST", f"dags/{dag}/dagRuns", body)["dag_run_id"]
        return Run(self, dag, run, time.monotonic() - began)

    def row(self, query: str, *values: object, database: str = METADATA) -> tuple[Any, ...] | None:
        with self.postgres.connect(database) as connection:
            return connection.execute(query.encode(), values).fetchone()


def settings_of(file: Path) -> dict[str, str]:
    """What a file of the manifests sets."""
    lines = file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class Run:
    """A DAG run, by the API."""

    def __init__(self, stack: Stack, dag: str, run: str, seconds: float) -> None:
        self._stack = stack
        self._page = f"dags/{dag}/dagRuns/{run}"
        self.dag = dag
        self.id = run
        self.seconds = seconds
        """How long the trigger took."""

    def get(self) -> dict[str, Any]:
        found: dict[str, Any] = self._stack.api("GET", self._page)
        return found

    def states(self) -> dict[str, str | None]:
        found = self._stack.api("GET", f"{self._page}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def returned(self, task: str) -> object:
        """What a task returned."""
        return self._stack.api("GET", f"{self._page}/taskInstances/{task}/xcomEntries/return_value")["value"]

    def finish(self, limit: float = 180) -> dict[str, Any]:
        """Wait for success, and give the run."""
        wait_until(f"run {self.id} of {self.dag} ends", lambda: self.get()["state"] in {"success", "failed"}, limit)
        run = self.get()
        assert run["state"] == "success", (run, self.states())
        return run
