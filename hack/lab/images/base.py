"""Makes the base image from Debian packages, for machines that cannot pull the official one from a registry."""

from __future__ import annotations

import datetime
import hashlib
from typing import TYPE_CHECKING

from hack.lab.images.run import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hack.lab.images.run import Run

SUITE = "trixie"
"""Debian's release, the same as in the official image of the Dockerfiles. mmdebstrap adds its security fixes."""
BOOTSTRAP = (
    "mmdebstrap",
    "--mode=root",  # needed to write into a folder that buildah has mounted
    "--format=directory",
    "--variant=minbase",  # the packages of the official image
    # Debian leaves these paths out of its official slim image. The options also hold for packages installed later.
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    *(f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("groff", "info", "lintian", "locale", "man")),
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=APT::Install-Suggests "false"',
    # mmdebstrap copies these two files from this machine for its own downloads.
    '--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"',
    # The Dockerfiles do the same for the official image, in a layer of their own: 0.7 MB for each image.
    '--customize-hook=find "$1" -xdev -type f -perm /6000 -exec chmod a-s {} +',
)


def version() -> str:
    """Return the version of the base: the release, the month and the recipe. A new version rebuilds all images."""
    recipe = hashlib.sha256(repr(BOOTSTRAP).encode()).hexdigest()[:8]
    return f"{SUITE}-{datetime.datetime.now(datetime.UTC):%Y-%m}-{recipe}"


def name(version: str) -> str:
    """Return the name of the base image of a version."""
    return f"kube-airflow/base:{version}"


def ensure(buildah: Sequence[str], version: str, run: Run) -> str:
    """Make the base of ``version`` unless it exists, and return its name."""
    if not output([*buildah, "images", "--quiet", "--filter", f"reference={name(version)}"]):
        bootstrap(buildah, version, run)
    return name(version)


def bootstrap(buildah: Sequence[str], version: str, run: Run) -> None:
    """Install Debian's smallest set of packages into a new image."""
    container = output([*buildah, "from", "scratch"])
    try:
        root = output([*buildah, "mount", container])
        run([*BOOTSTRAP, SUITE, root])
        output([*buildah, "config", "--cmd", "bash", container])
        output([*buildah, "commit", "--quiet", container, name(version)])
    finally:
        output([*buildah, "rm", container])
