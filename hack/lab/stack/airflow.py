"""A client for the parts of Airflow's REST API that `make up` needs."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hack.operate.errors import Failure

if TYPE_CHECKING:
    from hack.progress import Step

ANSWER_SECONDS = 60
RUN_SECONDS = 600.0


@dataclass
class Airflow:
    """An Airflow, and the login for it."""

    url: str
    user: str
    password: str
    _token: str = ""

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request, after a login if needed. Raises Failure with Airflow's error."""
        if not self._token:
            credentials = {"username": self.user, "password": self.password}
            self._token = self._request("POST", "/auth/token", credentials)["access_token"]
        return self._request(method, f"/api/v2{path}", body)

    def _request(self, method: str, path: str, body: object) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - our own address
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - the address is our own
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise Failure(f"{method} {path}: {error.code} {error.read(500).decode()}") from error
        except (OSError, ValueError) as error:
            raise Failure(f"{method} {path}: {error}") from error

    def wait_for_dag(self, dag: str, step: Step) -> None:
        deadline = time.monotonic() + RUN_SECONDS
        while not self._has(dag):
            if time.monotonic() > deadline:
                errors = self.ask("GET", "/importErrors")["import_errors"]
                raise Failure(f"DAG {dag} was not listed within {RUN_SECONDS:.0f} s; import errors: {errors}")
            step.tick(f"waiting for Airflow to list {dag}")
            time.sleep(0.5)

    def _has(self, dag: str) -> bool:
        try:
            self.ask("GET", f"/dags/{dag}")
        except Failure:
            return False
        return True

    def trigger(self, dag: str) -> str:
        """Unpause and trigger ``dag``. Gives the run's id."""
        self.ask("PATCH", f"/dags/{dag}", {"is_paused": False})
        run: str = self.ask("POST", f"/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"]
        return run

    def wait_for_run(self, dag: str, run: str, step: Step) -> Any:
        """Wait for the end of a run, and return it. Raises Failure unless it succeeds."""
        deadline = time.monotonic() + RUN_SECONDS
        while (found := self.ask("GET", f"/dags/{dag}/dagRuns/{run}"))["state"] in ("queued", "running"):
            if time.monotonic() > deadline:
                raise Failure(f"run {run} of {dag} is still {found['state']} after {RUN_SECONDS:.0f} s")
            step.tick(f"{dag} is {found['state']}")
            time.sleep(0.5)
        if found["state"] != "success":
            raise Failure(f"run {run} of {dag} ended as {found['state']}")
        return found
