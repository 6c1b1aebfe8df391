"""The overlays of a release name every image of the project by its digest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from hack.lab.images.catalog import IMAGES
from hack.lab.release import files

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]
OURS = {image: f"sha256:{number:064x}" for number, image in enumerate(IMAGES) if not image.official}
REGISTRY = "registry.example.org/team"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("plain")
    files.render(CHECKOUT, target)
    return target


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pinned")
    files.name_images(target, REGISTRY, OURS)
    files.render(CHECKOUT, target)
    return target


def test_each_overlay_is_one_file(plain: Path) -> None:
    overlays = {path.parent.name for path in (CHECKOUT / "overlays").glob("*/kustomization.yaml")}
    assert {path.name for path in plain.iterdir()} == {f"overlay-{name}.yaml" for name in overlays}


@pytest.mark.parametrize("overlay", ["dev", "staging", "prod"])
def test_with_a_registry_each_image_of_the_project_is_there_by_its_digest(
    overlay: str, plain: Path, pinned: Path
) -> None:
    names = {image.reference: f"{REGISTRY}/{image.repository}@{digest}" for image, digest in OURS.items()}
    before = images(plain / f"overlay-{overlay}.yaml")
    assert len(names.keys() & set(before)) > 1
    assert images(pinned / f"overlay-{overlay}.yaml") == [names.get(image, image) for image in before]


def images(overlay: Path) -> list[str]:
    """Return what the containers of an overlay's objects run."""
    return list(values("image", list(yaml.safe_load_all(overlay.read_text()))))


def values(key: str, where: object) -> Iterator[str]:
    """Yield each value of ``key``, however deep it is."""
    if isinstance(where, dict):
        yield from (str(value) for name, value in where.items() if name == key)
    for each in where.values() if isinstance(where, dict) else where if isinstance(where, list) else ():
        yield from values(key, each)
