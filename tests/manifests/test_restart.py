"""The component gitsync-restart grants the right to restart Airflow's pods, and no other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import yaml

from tests.manifests.stack import ROOT, build, name, of_kind, overlay_over

if TYPE_CHECKING:
    from pathlib import Path


def test_gitsync_may_patch_airflows_workloads_of_its_own_instance_only(tmp_path: Path) -> None:
    overlay = overlay_over(ROOT / "base", tmp_path / "overlay", prefix="other-", instance="other")
    file = overlay / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    component = os.path.relpath(ROOT / "base/components/gitsync-restart", overlay)
    file.write_text(yaml.safe_dump({**content, "components": [component]}))
    objects = build(overlay)
    (role,) = [each for each in of_kind(objects, "Role") if name(each) == "other-gitsync-restart"]
    granted = {(rule["resources"][0], named) for rule in role["rules"] for named in rule.get("resourceNames", ())}
    existing = {(f"{each['kind'].lower()}s", name(each)) for each in of_kind(objects, "Deployment", "StatefulSet")}
    tiers = {"api-server", "dag-processor", "scheduler", "triggerer", "worker"}
    assert granted <= existing
    assert {named.removeprefix("other-") for _kind, named in granted} == tiers
    assert [rule["verbs"] for rule in role["rules"] if "resourceNames" not in rule] == [["list"]]
