"""The pod of a task, as executor-kubernetes makes it from what the overlay built, is one that an API server takes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.manifests.stack import build
from tests.manifests.test_components import SETS, overlay_of, together_id
from tests.manifests.test_executors import task_pod

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.server import Api

EXECUTOR = "executor-kubernetes"
MANY = next(each for each in SETS if EXECUTOR in each and "external-postgres" in each)


@pytest.mark.parametrize("components", [(EXECUTOR,), MANY, MANY[::-1]], ids=together_id)
def test_the_pod_of_a_task_is_taken(api: Api, components: tuple[str, ...], tmp_path: Path) -> None:
    """Pod Security refuses a pod at once, where it only warns of a StatefulSet."""
    account = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: airflow}}"
    (tmp_path / "account.yaml").write_text(account)  # a controller would have made it
    api.done("apply", "--filename", str(tmp_path / "account.yaml"))
    pod = copy.deepcopy(task_pod(build(overlay_of(components, tmp_path))))
    pod["metadata"] |= {"name": "task", "namespace": "airflow"}
    assert api.refusals(yaml.safe_dump(pod)) == []
