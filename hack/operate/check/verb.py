"""Builds an overlay and says what is wrong with it, without a cluster.

hack/kube-airflow check prod
hack/kube-airflow check ~/deploy/airflow --beside ServiceAccount/airflow-s3

It finds names that lead nowhere: ConfigMaps and their keys, ServiceAccounts, Services and ports of routes, targets of
scalers, Secrets without the prefix. It finds selectors that match no pod, and containers without an image or a volume.
Secrets and claims are made beside an overlay, so it lists those that must be there.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hack.operate import overlay as overlays
from hack.operate.check import pods, references, selectors
from hack.operate.check.built import Build, Reference
from hack.operate.cluster import Cluster
from hack.operate.errors import Failure
from hack.operate.secrets import wanted

BARE = re.compile(r"kind: (Secret|PersistentVolumeClaim)\nmetadata:\n  name: ([\w-]+)\n")
"""A Secret or a claim of which a manifest has the name alone."""

if TYPE_CHECKING:
    import argparse

    from hack.operate.overlay import Built


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("overlay", metavar="OVERLAY", help="a directory of overlays/, or a path")
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="KIND/NAME",
        help="an object that exists without the overlay, such as ServiceAccount/airflow-s3; may be repeated",
    )


def run(given: argparse.Namespace) -> None:
    directory = overlays.directory(given.overlay)
    built = with_origins(directory)
    build = Build(built.objects)
    found = list(dict.fromkeys(faults(build, built, given.beside)))
    for each in found:
        print(f"- {each}")
    title = overlays.shown(directory)
    if found:
        raise Failure(f"{title}: {len(found)} faults in {len(build.objects)} objects")
    print(f"{title}: nothing is wrong with its {len(build.objects)} objects")
    if outside := references.outside(build):
        print("it needs these, which are made beside it:")
        print("\n".join(f"  {each}" for each in outside))


def faults(build: Build, built: Built, beside: list[str]) -> list[str]:
    """Return a sentence for each fault of a build."""
    try:
        names = built.names
    except Failure:  # no instance, or several: then no Secret has a right name
        names = None
    return [
        *pods.faults(build),
        *references.faults(build, made(), names, beside),
        *selectors.faults(build),
    ]


def made() -> set[Reference]:
    """Return what people and `hack/kube-airflow secrets` make for an instance, by the names in the base."""
    files = (overlays.CHECKOUT / "base").rglob("*.yaml")
    return {Reference("Secret", each) for each in wanted(dev=True)} | {
        Reference(*found) for file in files for found in BARE.findall(file.read_text())
    }


def with_origins(directory: Path) -> Built:
    """Build an overlay, with the files that its objects come from. Raises Failure with Kustomize's error."""
    with tempfile.TemporaryDirectory() as temporary:
        over = Path(temporary).resolve()
        up = "/".join([".."] * (len(over.parts) - 1))
        resource = f"{up}/{directory.resolve().relative_to('/')}"
        (over / "kustomization.yaml").write_text(f"resources: ['{resource}']\nbuildMetadata: [originAnnotations]\n")
        return located(overlays.build(Cluster(), over, title=directory), over)


def located(built: Built, over: Path) -> Built:
    """Return a build whose objects name their files as a person finds them, not relative to the folder ``over``."""
    for each in built.objects:
        notes = each["metadata"].get("annotations") or {}
        origin = dict(line.partition(": ")[::2] for line in notes.get(overlays.ORIGIN, "").splitlines())
        if file := origin.get("path") or origin.get("configuredIn"):
            here = Path(os.path.normpath(over / file))
            notes[overlays.ORIGIN] = f"{origin['repo']} {file}" if "repo" in origin else str(overlays.shown(here))
    return built
