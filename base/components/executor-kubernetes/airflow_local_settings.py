"""Makes the pod of a task stage the revision that Airflow has recorded on its run, not the published one."""

from __future__ import annotations

import json
import os
from typing import Any

__all__ = ["pod_mutation_hook"]


def pod_mutation_hook(pod: Any) -> None:  # noqa: ANN401 - a V1Pod; the client has no types
    """Set the revision in the arguments of gitsync's init container. Airflow calls this for pods of operators, too."""
    containers = [each for each in pod.spec.init_containers or () if each.name == "gitsync"]
    if containers and (pod.metadata.labels or {}).get("kubernetes_executor") == "True":
        # Airflow's container is the first. Its last argument is the workload, as JSON, that the executor hands over.
        bundle = json.loads(pod.spec.containers[0].args[-1])["bundle_info"]
        containers[0].args = stage(bundle["name"], bundle["version"] or "current")


def stage(bundle: str, revision: str) -> list[str]:
    """Return gitsync's arguments to stage a revision of a bundle's source."""
    bundles = json.loads(os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    (options,) = (each["kwargs"] for each in bundles if each["name"] == bundle)
    source = options.get("source") or bundle
    controller = "http://$(GITSYNC_HOST):8080"
    return ["stage", revision, "--controller", controller, "--root", options["root"], "--source", source]
