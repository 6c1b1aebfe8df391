"""The changes that docs/operate.md describes for an overlay have the described effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tests.cluster.overlays import dev_overlay
from tests.manifests.stack import ROOT, build, names, of_kind, tier

if TYPE_CHECKING:
    from pathlib import Path


def documented(heading: str) -> dict[str, Any]:
    """The block of YAML under a heading."""
    section = (ROOT / "docs" / "operate.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found: dict[str, Any] = yaml.safe_load(section.split("```yaml\n")[1].split("```")[0])
    return found


def test_more_workers(tmp_path: Path) -> None:
    objects = build(dev_overlay(tmp_path, **documented("Scale")))
    replicas = {tier(each): each["spec"].get("replicas", 1) for each in of_kind(objects, "Deployment", "StatefulSet")}
    assert {name for name, count in replicas.items() if count != 1} == {"worker"}
    assert replicas["worker"] == 5


def test_nodes_for_some_tiers(tmp_path: Path) -> None:
    objects = build(dev_overlay(tmp_path, **documented("Where pods run")))
    placed = [
        each
        for each in of_kind(objects, "Deployment", "StatefulSet")
        if each["spec"]["template"]["spec"].get("nodeSelector") == {"pool": "airflow"}
    ]
    assert names(placed, "StatefulSet", "Deployment") == {"dev-worker", "dev-triggerer"}
    for each in placed:
        pod = each["spec"]["template"]["spec"]
        assert pod["priorityClassName"] == "airflow-tasks"
        assert pod["tolerations"] == [{"key": "airflow", "operator": "Exists", "effect": "NoSchedule"}]
        assert {container["name"] for container in pod["containers"]} >= {"airflow"}
