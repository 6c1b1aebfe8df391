"""The version of each image stands once, in base/images, and applies to every container, also of components."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

import gitsync
from hack.lab.images import catalog
from tests.manifests.stack import ROOT, build, strings
from tests.manifests.test_components import COMPONENTS, overlay_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.manifests.stack import Object

PLACES = ("base", "overlays")
IMAGES = yaml.safe_load((ROOT / "base/images/kustomization.yaml").read_text())["images"]
TAGS = {each["name"]: each["newTag"] for each in IMAGES}
FROM_THE_BASE = Path("base/components/backup/cronjob")
"""Its component gives it the image of the base's PostgreSQL."""
TIERS = sorted(
    path.parent.relative_to(ROOT)
    for place in PLACES
    for path in (ROOT / place).rglob("kustomization.yaml")
    if yaml.safe_load(path.read_text())["kind"] == "Kustomization"
    if path.parent.relative_to(ROOT) != FROM_THE_BASE
)
"""What can be built alone: tiers, the base, overlays."""


def images(objects: Iterable[Object]) -> set[str]:
    """Return the images of all containers."""
    return {value for each in objects for path, value in strings(each) if path.endswith(".image")}


def named() -> set[str]:
    """Return the images that manifests name, as they name them."""
    files = [file for place in PLACES for file in (ROOT / place).rglob("*.yaml")]
    return {image for file in files for image in re.findall(r"(?m)^[ -]+image: ([^\s#]+)", file.read_text())}


def test_manifests_name_images_without_a_version_and_each_has_one() -> None:
    assert named() == TAGS.keys()


def test_no_kustomization_here_repeats_a_version() -> None:
    files = [file for place in PLACES for file in (ROOT / place).rglob("kustomization.yaml")]
    assert [file.parent.name for file in files if "newTag" in file.read_text()] == ["images"]


def test_what_is_built_on_this_machine_has_the_versions_of_the_manifests() -> None:
    assert catalog.versions() == TAGS
    assert {image.reference for image in catalog.IMAGES} == {f"{name}:{tag}" for name, tag in TAGS.items()}


def test_our_images_are_named_after_what_is_in_them() -> None:
    """`requirements/compile` writes Airflow's."""
    for file in ("airflow.in", "airflow.txt"):
        text = (ROOT / "requirements" / file).read_text()
        assert re.findall(r"(?m)^apache-airflow==(\S+)", text) == [TAGS["kube-airflow/airflow"]]
    assert TAGS["kube-airflow/gitsync"] == gitsync.__version__


@pytest.mark.parametrize("tier", TIERS, ids=str)
def test_a_tier_alone_has_its_versions(tier: Path) -> None:
    """A copy of the component extra-queue builds base/worker without the rest of the base."""
    assert images(build(ROOT / tier)) <= {f"{name}:{tag}" for name, tag in TAGS.items()}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_over_an_overlay_keeps_what_that_says_of_images(component: str, tmp_path: Path) -> None:
    """Another registry and another version for all: no container that the component adds falls back to ours."""
    lower = overlay_of((), tmp_path / "lower")
    file = lower / "kustomization.yaml"
    changed = [{"name": name, "newName": f"registry.example/{name}", "newTag": "9"} for name in TAGS]
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "images": changed}))
    upper = overlay_of((component,), tmp_path / "upper", target=lower)
    own = {f"{name}:{TAGS[name]}" for name in OWN.get(component, ())}
    assert {image for image in images(build(upper)) if not image.startswith("registry.example/")} == own


OWN = {
    "metrics": ("prom/statsd-exporter",),
    "pgbouncer": ("kube-airflow/pgbouncer",),
    "redis": ("redis",),
}
"""Components that bring a whole tier, whose images no overlay below can have changed."""
