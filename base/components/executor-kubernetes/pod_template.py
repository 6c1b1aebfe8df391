"""Writes the template of tasks' pods: what the StatefulSet of the workers says, changed into a pod that ends.

`pod_template.py FILE`, in the scheduler's pod. So whatever a component or an overlay gives workers, tasks have too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
ENDLESS = ("livenessProbe", "ports", "readinessProbe", "restartPolicy", "startupProbe")


def task_pod(template: dict[str, Any]) -> dict[str, Any]:
    """Return the pod of a task; ``template`` is that of a worker, and is changed."""
    template["metadata"].get("labels", {}).pop("kube-airflow/gitsync", None)  # it never flips, so it is no member
    spec = template["spec"]
    spec["restartPolicy"] = "Never"
    # Airflow knows its own container by its place and gives it this name.
    spec["containers"].sort(key=lambda container: container["name"] != "airflow")
    spec["containers"][0]["name"] = "base"
    end(spec["containers"][0])
    for container in spec.get("initContainers", []):
        if container["name"] == "gitsync":
            end(container)
            # airflow_local_settings.py puts the revision here; gitsync ends at once when it has not.
            container["args"] = ["stage", "UNKNOWN", "--controller", "http://$(GITSYNC_HOST):8080", "--root", "/dags"]
    return {"apiVersion": "v1", "kind": "Pod", **template}


def end(container: dict[str, Any]) -> None:
    """Remove what only a container has that goes on for ever."""
    for key in ENDLESS:
        container.pop(key, None)


def main() -> None:
    """Ask Kubernetes and write the file."""
    import yaml  # noqa: PLC0415 - only the image has these; the rest is tested outside
    from kubernetes import client, config  # noqa: PLC0415

    config.load_incluster_config()
    api = client.AppsV1Api()
    worker = api.read_namespaced_stateful_set(os.environ["STATEFUL_SET"], (SERVICE_ACCOUNT / "namespace").read_text())
    template = api.api_client.sanitize_for_serialization(worker.spec.template)
    Path(sys.argv[1]).write_text(yaml.safe_dump(task_pod(template)))


if __name__ == "__main__":
    main()
