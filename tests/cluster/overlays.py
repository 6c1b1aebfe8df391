"""Makes overlays for tests: `overlays/dev` with changes."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import yaml

from hack.operate.overlay import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DEV = CHECKOUT / "overlays" / "dev"


def dev_overlay(
    directory: Path, name: str = "dev", *, namespace: str = "airflow", components: Iterable[str] = (), **fields: object
) -> Path:
    """Write `overlays/dev` as ``directory/name``, with that prefix, components of the base, and further fields.

    Lists are added to what is there; everything else takes its place.
    """
    overlay = directory.resolve() / name
    shutil.copytree(DEV, overlay)
    for copied in overlay.rglob("kustomization.yaml"):
        relink(copied, DEV / copied.relative_to(overlay))
    base = os.path.relpath(CHECKOUT / "base", overlay)
    file = overlay / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    content |= {"namespace": namespace, "namePrefix": f"{name}-"}
    content["labels"][0]["pairs"]["kube-airflow/instance"] = name
    content["components"] = [
        *content.get("components", []),
        *(f"{base}/components/{component}" for component in components),
    ]
    for field, value in fields.items():
        content[field] = [*content.get(field, []), *value] if isinstance(value, list) else value
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return overlay


def relink(copied: Path, original: Path) -> None:
    """Have a copied kustomization name what is beside the overlay as its original does."""
    content = yaml.safe_load(copied.read_text())
    for field in {"resources", "components"} & content.keys():
        content[field] = [
            os.path.relpath(original.parent / each, copied.parent) if each.startswith("..") else each
            for each in content[field]
        ]
    copied.write_text(yaml.safe_dump(content, sort_keys=False))


def patch(kind: str, name: str, **content: object) -> dict[str, object]:
    """A strategic patch of all objects of these kinds and names, which may be expressions."""
    body = {"apiVersion": "any", "kind": "any", "metadata": {"name": "any"}, **content}
    return {"target": {"kind": kind, "name": name}, "patch": yaml.safe_dump(body)}


def none_of(*names: str) -> list[dict[str, object]]:
    """The field `replicas` that leaves out what a test does not need."""
    return [{"name": name, "count": 0} for name in names]


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new))
