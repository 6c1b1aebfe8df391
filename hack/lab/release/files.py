"""Writes the parts of a release beside its images: the wheel, the built overlays, the checksums."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from hack.lab.release.source import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hack.lab.images.catalog import Image
    from hack.lab.release.source import Source

CHECKSUMS = "SHA256SUMS"
COMPONENT = "images.yaml"
"""The file of a Kustomize component that names the release's images."""


def wheel(checkout: Path, target: Path, source: Source) -> None:
    """Write the wheel of gitsync, with Airflow's bundle, into ``target``."""
    uv = Path(sys.executable).with_name("uv")
    build = [str(uv), "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable]
    run([*build, "--out-dir", str(target), str(checkout)], SOURCE_DATE_EPOCH=str(source.time))
    (target / ".gitignore").unlink(missing_ok=True)  # uv makes one


def list_images(target: Path, archives: Mapping[Image, str], digests: Mapping[Image, str]) -> None:
    """Write a line for each image, with its archive, name and digest, for the program that pushes them."""
    lines = [f"{archives[image]} {image.reference} {digest}\n" for image, digest in digests.items()]
    (target / "images.txt").write_text("".join(lines))


def name_images(target: Path, registry: str, digests: Mapping[Image, str]) -> None:
    """Write a Kustomize component that takes each image from ``registry``, by its digest."""
    images = [
        {"name": image.repository, "newName": f"{registry}/{image.repository}", "digest": digest}
        for image, digest in digests.items()
    ]
    component = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "images": images}
    (target / COMPONENT).write_text(yaml.safe_dump(component, sort_keys=False))


def render(checkout: Path, target: Path) -> None:
    """Write each overlay as one file of objects; with the component of ``name_images``, if that was written."""
    for overlay in sorted(path.parent for path in (checkout / "overlays").glob("*/kustomization.yaml")):
        with tempfile.TemporaryDirectory() as folder:
            over = compose(Path(folder).resolve(), overlay, target / COMPONENT)
            (target / f"overlay-{overlay.name}.yaml").write_text(run([kubectl(), "kustomize", str(over)]))


def compose(folder: Path, overlay: Path, component: Path) -> Path:
    """Write a kustomization of ``overlay`` and, if it exists, of the component. Kustomize needs relative paths."""
    parts = {"resources": [os.path.relpath(overlay.resolve(), folder)]}
    if component.exists():
        (folder / "images").mkdir()
        shutil.copy(component, folder / "images" / "kustomization.yaml")
        parts["components"] = ["images"]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(parts))
    return folder


def kubectl() -> str:
    """Return kubectl's path. Raises ReleaseError if there is none."""
    found = shutil.which("kubectl")
    if found is None:
        raise ReleaseError("kubectl, which builds the overlays, is missing: install version 1.27 or newer")
    return found


def checksums(target: Path) -> None:
    """Write the SHA-256 of every file in ``target``, as `sha256sum --check` reads it."""
    files = sorted(path for path in target.iterdir() if path.name != CHECKSUMS)
    (target / CHECKSUMS).write_text("".join(f"{digest(path)}  {path.name}\n" for path in files))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(command: list[str], **environment: str) -> str:
    """Run a command, and return its output. Raises ReleaseError with its error."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise ReleaseError(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
