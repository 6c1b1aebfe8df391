"""A second build is applied over a first one: the API server accepts any change of an overlay, and migrates again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.manifests.stack import ROOT, overlay_over

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.server import Api

WAYS = {
    "kubectl": ("apply",),  # Argo CD does the same
    "flux": ("apply", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller"),
}
MIGRATE = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "migrate"}}
MAIN = {"name": "airflow", "env": [{"name": "PGCONNECT_TIMEOUT", "value": "5"}]}
PODS = [
    {"path": "spec/template/metadata/labels", "kind": kind, "create": True} for kind in ("Deployment", "StatefulSet")
]
CHANGES: dict[str, dict[str, Any]] = {
    "annotations": {"commonAnnotations": {"example.org/team": "data"}},
    "labels of pods": {"labels": [{"pairs": {"team": "data"}, "fields": PODS}]},
    "an image": {"images": [{"name": "kube-airflow/airflow", "newTag": "9"}]},
    "a patch": {
        "patches": [{"patch": yaml.safe_dump({**MIGRATE, "spec": {"template": {"spec": {"containers": [MAIN]}}}})}]
    },
    "configuration": {
        "configMapGenerator": [{"name": "migrate", "behavior": "merge", "literals": ["POSTGRES_PORT=5433"]}]
    },
}
WITH_VOLUMES = {"gitsync", "postgres", "rabbitmq"}


def overlay(directory: Path, prefix: str, changed: dict[str, Any]) -> Path:
    """Write an overlay over prod under a prefix of its own."""
    written = overlay_over(ROOT / "overlays/prod", directory, prefix=f"{prefix}-", instance=prefix)
    file = written / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**content, **changed, "labels": content["labels"] + changed.get("labels", [])}))
    return written


def template(api: Api, prefix: str) -> tuple[Any, int]:
    """Return what the pod migrate is made from, and how often it has changed."""
    found = api.get("deployment", f"{prefix}-prod-migrate", "--namespace=airflow")
    return found["spec"]["template"], found["metadata"]["generation"]


@pytest.mark.parametrize("way", WAYS)
def test_each_change_of_an_overlay_is_taken_and_migrates_again(api: Api, way: str, tmp_path: Path) -> None:
    build = overlay(tmp_path, way, {})
    for _again in range(2):
        api.done(*WAYS[way], "--kustomize", str(build))
        assert template(api, way)[1] == 1, "a second apply of the same changes nothing"
    changed: dict[str, Any] = {}
    for number, what in enumerate(CHANGES, 2):
        before, _generation = template(api, way)
        changed |= CHANGES[what]
        api.done(*WAYS[way], "--kustomize", str(overlay(tmp_path, way, changed)))
        after, generation = template(api, way)
        assert (generation, after != before) == (number, True), what


@pytest.mark.parametrize("way", WAYS)
def test_labels_of_all_templates_are_refused_where_there_are_volumes_alone(api: Api, way: str, tmp_path: Path) -> None:
    """`includeTemplates` means claims, too, which Kubernetes never changes; everything else of the build is taken."""
    prefix = f"{way}-labels"
    api.done(*WAYS[way], "--kustomize", str(overlay(tmp_path, prefix, {})))
    labels = {"labels": [{"pairs": {"team": "data"}, "includeTemplates": True}]}
    done = api.run(*WAYS[way], "--kustomize", str(overlay(tmp_path, prefix, labels)))
    assert set(re.findall(rf'(\S+) "{prefix}-prod-\S+" is invalid', done.stderr)) == {"StatefulSet.apps"}
    assert set(re.findall(rf'"{prefix}-prod-(\S+)" is invalid', done.stderr)) == WITH_VOLUMES
    assert template(api, prefix)[0]["metadata"]["labels"]["team"] == "data"
