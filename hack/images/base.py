"""The base image, made from Debian packages where no registry can be asked for it, under the official one's name."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hack.images.catalog import BASE_IMAGE
from hack.images.run import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hack.images.run import Run

SUITE = "trixie"

DPKG_OPTIONS = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/groff/*
path-exclude /usr/share/info/*
path-exclude /usr/share/linda/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
"""
APT_OPTIONS = """\
Acquire::Languages "none";
APT::Install-Suggests "false";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
"""
SURPLUS = ("usr/share/groff", "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man")
"""What the options above keep out later, and the bootstrap has brought already."""
FOREIGN = ("etc/hostname", "etc/resolv.conf", "etc/machine-id")
"""What the bootstrap copies from this machine."""


def month() -> str:
    """Return how current the base is: a month, because each new one means building everything anew."""
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m}"


def name(version: str) -> str:
    """Return the name that a version of the base is kept under."""
    return f"kube-airflow/base:{SUITE}-{version}"


def ensure(buildah: Sequence[str], version: str, run: Run) -> None:
    """Make the base of ``version`` unless it is there, and have it carry the official name."""
    if not output([*buildah, "images", "--quiet", "--filter", f"reference={name(version)}"]):
        bootstrap(buildah, version, run)
    output([*buildah, "tag", name(version), BASE_IMAGE])


def bootstrap(buildah: Sequence[str], version: str, run: Run) -> None:
    """Install Debian's smallest set of packages into a new image."""
    container = output([*buildah, "from", "scratch"])
    try:
        root = Path(output([*buildah, "mount", container]))
        run(["debootstrap", "--variant=minbase", SUITE, str(root)])
        slim(root)
        output([*buildah, "config", "--cmd", "bash", container])
        output([*buildah, "commit", "--quiet", container, name(version)])
    finally:
        output([*buildah, "rm", container])


def slim(root: Path) -> None:
    """Take out what a container never reads, now and when packages are installed later."""
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(DPKG_OPTIONS)
    (root / "etc/apt/apt.conf.d/slim").write_text(APT_OPTIONS)
    for relative in SURPLUS:
        shutil.rmtree(root / relative, ignore_errors=True)
    for document in (root / "usr/share/doc").glob("*/*"):
        if document.name != "copyright":
            shutil.rmtree(document) if document.is_dir() and not document.is_symlink() else document.unlink()
    for relative in FOREIGN:
        (root / relative).unlink(missing_ok=True)
    for folder in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
        empty(root / folder)


def empty(folder: Path) -> None:
    """Remove all files below ``folder``; packages rely on the folders."""
    for path in folder.rglob("*"):
        if path.is_file() or path.is_symlink():
            path.unlink()
