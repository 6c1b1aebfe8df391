"""Airflow's own bundle of a Git repository, without gitsync."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.cluster.instances import SAYING
from tests.cluster.overlays import none_of

if TYPE_CHECKING:
    from tests.components.trial import Trial

BUNDLE = {
    "name": "dags",
    "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
    "kwargs": {"git_conn_id": "dags", "tracking_ref": "main", "refresh_interval": 5},
}


def test_airflows_git_bundle_follows_the_branch(trial: Trial) -> None:
    """1. a run of a pushed DAG; 2. the next commit, and a run of it; 3. each is on its commit."""
    made = trial.instance(
        "own-git",
        "git-dag-bundle",
        replicas=none_of("triggerer"),
        configMapGenerator=[
            {
                "name": "dags",
                "behavior": "merge",
                "literals": [f"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST={json.dumps([BUNDLE])}"],
            }
        ],
    )
    password = made.secret("git-server", "password")
    connection = {
        "conn_type": "git",
        "host": "http://own-git-git-server:8080/dags.git",
        "login": "git",
        "password": quote(password, safe=""),
    }
    made.kubectl(
        "create", "secret", "generic", "own-git-git-dag-bundle",
        f"--from-literal=connections.yaml={json.dumps({'dags': connection})}",
    )  # fmt: skip
    instance = trial.run(made, say=SAYING.format(name="say", mark="first"))
    for mark in ("first", "second"):
        if mark != "first":
            instance.push(say=SAYING.format(name="say", mark=mark))
        instance.wait_listed("say", instance.commits[-1])
        run = instance.airflow.trigger("say")
        assert instance.wait_run(run, "say")["bundle_version"] == instance.commits[-1]
        assert instance.result(run, "say", "say") == mark
    assert not made.get("statefulset", "--selector", "app.kubernetes.io/component=controller")["items"]
