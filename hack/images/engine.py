"""The two ways to build an image: Docker from public base images, buildah from a base that we make ourselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from hack.images import base
from hack.images.catalog import BASE_IMAGE, Image, ImagesError
from hack.images.run import have, logged, output, say, succeeds

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class Engine(Protocol):
    """What building, keeping and pushing need of either."""

    name: str

    def conditions(self, image: Image) -> tuple[str, ...]:
        """Return what the result depends on beside the image's own inputs."""

    def build(self, image: Image, context: Path, arguments: dict[str, str], log: Path) -> None:
        """Build ``image`` and keep it under its reference."""

    def save(self, image: Image, archive: Path, log: Path) -> None:
        """Write the image that was built last as an archive that container runtimes import."""

    def push(self, archive: Path, image: Image, target: str, log: Path) -> None:
        """Send ``image``, whose archive is at hand, to a registry."""


def build_options(image: Image, context: Path, arguments: dict[str, str]) -> list[str]:
    """Return the options that both engines understand."""
    options = ["--file", str(context / image.dockerfile), "--tag", image.reference]
    for name, value in {"BASE_IMAGE": BASE_IMAGE, **arguments}.items():
        options += ["--build-arg", f"{name}={value}"]
    bundle = Path(os.environ.get("SSL_CERT_FILE", CERTIFICATES))
    if bundle.is_file():
        options += ["--secret", f"id=ca-bundle,src={bundle}"]
    return options


class Docker:
    """Builds with the machine's Docker (or what calls itself so) and leaves official images to their makers."""

    name = "docker"

    def conditions(self, image: Image) -> tuple[str, ...]:
        """Return nothing else: public base images are taken to be what their tags say."""
        return (self.name,)

    def build(self, image: Image, context: Path, arguments: dict[str, str], log: Path) -> None:
        """Build our own, fetch what is official."""
        if image.official:
            logged(image.name, ["docker", "pull", image.reference], log)
        else:
            logged(image.name, ["docker", "build", *build_options(image, context, arguments), str(context)], log)

    def save(self, image: Image, archive: Path, log: Path) -> None:
        """Write Docker's own format."""
        logged(image.name, ["docker", "save", "--output", str(archive), image.reference], log)

    def push(self, archive: Path, image: Image, target: str, log: Path) -> None:
        """Push with the credentials of `docker login`; the archive brings back what was pruned since."""
        logged(image.name, ["docker", "load", "--input", str(archive)], log)
        logged(image.name, ["docker", "tag", image.reference, target], log)
        logged(image.name, ["docker", "push", target], log)


class Buildah:
    """Builds without a daemon and without a registry, as root, with everything it keeps under one folder."""

    name = "buildah"

    def __init__(self, storage: Path, base_log: Path) -> None:
        self._buildah = [
            "buildah",
            *("--storage-driver", "overlay"),
            *("--root", str(storage / "root")),
            *("--runroot", str(storage / "run")),
        ]
        self._base = base.month()
        self._base_log = base_log

    def conditions(self, image: Image) -> tuple[str, ...]:
        """Return the base, which changes under the same name."""
        return (self.name, self._base)

    def build(self, image: Image, context: Path, arguments: dict[str, str], log: Path) -> None:
        """Build in a chroot: this works where containers cannot be nested."""
        base.ensure(self._buildah, self._base, self._base_log)
        options = ["--isolation", "chroot", "--network", "host", "--pull-never", "--layers", "--format", "docker"]
        command = [*self._buildah, "build", *options, *build_options(image, context, arguments), str(context)]
        logged(image.name, command, log)

    def save(self, image: Image, archive: Path, log: Path) -> None:
        """Write the format that Docker writes too."""
        target = f"docker-archive:{archive}:{image.reference}"
        logged(image.name, [*self._buildah, "push", "--quiet", image.reference, target], log)

    def push(self, archive: Path, image: Image, target: str, log: Path) -> None:
        """Copy the archive as it is, with the credentials of `skopeo login`."""
        logged(image.name, ["skopeo", "copy", f"docker-archive:{archive}", f"docker://{target}"], log)


def choose(cache: Path) -> Docker | Buildah:
    """Return the engine that IMAGE_ENGINE names, else Docker if it answers, else buildah."""
    wanted = os.environ.get("IMAGE_ENGINE") or ("docker" if have("docker") and succeeds("docker", "info") else "buildah")
    if wanted == "docker":
        return Docker()
    if wanted != "buildah":
        raise ImagesError(f"IMAGE_ENGINE is '{wanted}': docker or buildah")
    need_packages("buildah", "debootstrap", "skopeo")
    return Buildah(cache / "buildah", cache / "images" / "base.log")


def need_packages(*packages: str) -> None:
    """Install what is missing of these Debian packages, each of which brings a program of its name."""
    missing = [package for package in packages if not have(package)]
    if not missing:
        return
    install = ["apt-get", "install", "--quiet=2", "--yes", "--no-install-recommends", *missing]
    if os.geteuid() or not have("apt-get"):
        raise ImagesError(f"missing: {', '.join(missing)}; as root, run: {' '.join(install)}")
    say(f"installing {', '.join(missing)}")
    output(["apt-get", "update", "--quiet=2"])
    output(install)
