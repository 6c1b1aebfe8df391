"""Writes the template of tasks' pods, from the pod template of the workers' StatefulSet.

`pod_template.py FILE` runs in the scheduler's pod. So everything that components and overlays change for workers holds
for tasks, too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
ENDLESS = ("livenessProbe", "ports", "readinessProbe", "restartPolicy", "startupProbe")
WAITING = "wait"
"""The container that waits for servers. A task talks to the api-server alone, and has nothing to wait for."""
PASSWORDS = {"run", "secrets"}
"""The volumes of that container."""


def task_pod(template: dict[str, Any]) -> dict[str, Any]:
    """Return the pod of a task, made of a worker's pod template. ``template`` is changed."""
    template["metadata"].get("labels", {}).pop("kube-airflow/gitsync", None)  # without a sidecar it is no member
    spec = template["spec"]
    spec["restartPolicy"] = "Never"
    without_passwords(spec)
    # Airflow's executor expects its container at the first place, with the name base.
    spec["containers"].sort(key=lambda container: container["name"] != "airflow")
    spec["containers"][0]["name"] = "base"
    end(spec["containers"][0])
    for container in spec["initContainers"]:
        if container["name"] == "gitsync":
            end(container)
            # airflow_local_settings.py replaces UNKNOWN by the revision. Without that, gitsync ends with an error.
            container["args"] = ["stage", "UNKNOWN", "--controller", "http://$(GITSYNC_HOST):8080", "--root", "/dags"]
    return {"apiVersion": "v1", "kind": "Pod", **template}


def without_passwords(spec: dict[str, Any]) -> None:
    """Remove the container that waits, and the volumes with passwords and connection strings."""
    spec["initContainers"] = [each for each in spec.get("initContainers", []) if each["name"] != WAITING]
    spec["volumes"] = [each for each in spec.get("volumes", []) if each["name"] not in PASSWORDS]
    for container in [*spec["initContainers"], *spec["containers"]]:
        mounts = container.get("volumeMounts", [])
        container["volumeMounts"] = [each for each in mounts if each["name"] not in PASSWORDS]


def end(container: dict[str, Any]) -> None:
    """Remove the fields that only a container without an end may have, such as probes."""
    for key in ENDLESS:
        container.pop(key, None)


def main() -> None:
    """Read the StatefulSet from Kubernetes, and write the file."""
    import yaml  # noqa: PLC0415 - only the image has these; the rest is tested outside
    from kubernetes import client, config  # noqa: PLC0415 - only the scheduler makes pods

    config.load_incluster_config()
    api = client.AppsV1Api()
    worker = api.read_namespaced_stateful_set(os.environ["STATEFUL_SET"], (SERVICE_ACCOUNT / "namespace").read_text())
    template = api.api_client.sanitize_for_serialization(worker.spec.template)
    Path(sys.argv[1]).write_text(yaml.safe_dump(task_pod(template)))


if __name__ == "__main__":
    main()
