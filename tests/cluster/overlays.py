"""Overlays to test: `overlays/dev` with something else in it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import yaml

from hack.stack.instance import CHECKOUT

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
    base = os.path.relpath(CHECKOUT / "base", overlay)
    file = overlay / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    content |= {"namespace": namespace, "namePrefix": f"{name}-"}
    content["resources"] = [base, *content["resources"][1:]]
    content["labels"][0]["pairs"]["kube-airflow/instance"] = name
    content["components"] = [f"{base}/components/{component}" for component in components]
    for field, value in fields.items():
        content[field] = [*content.get(field, []), *value] if isinstance(value, list) else value
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return overlay


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
