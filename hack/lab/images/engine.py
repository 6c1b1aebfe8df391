"""The two engines that build images: Docker with public base images, and buildah with a base image made here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hack.lab.images import base
from hack.lab.images.catalog import Image, ImagesError
from hack.lab.images.run import have, need_packages, succeeds

if TYPE_CHECKING:
    from hack.lab.images.run import Run

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class Engine(Protocol):
    """The interface of both engines. ``run`` runs their long commands."""

    name: str

    def conditions(self) -> tuple[str, ...]:
        """Return the conditions that change every result, beside the image's own inputs."""
        ...

    def build(self, image: Image, context: Path, arguments: dict[str, str], run: Run) -> None:
        """Build ``image``, and keep it under its reference."""
        ...

    def builds(self, image: Image) -> bool:
        """Return whether the result is built from a Dockerfile of this checkout."""
        ...

    def save(self, image: Image, archive: Path, run: Run) -> None:
        """Write the image that was built last, as an archive that container runtimes can import."""
        ...

    def push(self, image: Image, archive: Path, target: str, run: Run) -> None:
        """Push ``image``, which is in ``archive``, to a registry as ``target``."""
        ...


def build_options(image: Image, context: Path, arguments: dict[str, str]) -> list[str]:
    """Return the options that both engines understand."""
    options = ["--file", str(context / image.dockerfile), "--tag", image.reference]
    for name, value in arguments.items():
        options += ["--build-arg", f"{name}={value}"]
    # On a machine behind a proxy that signs TLS connections, this file has the proxy's certificate.
    bundle = Path(os.environ.get("SSL_CERT_FILE", CERTIFICATES))
    if bundle.is_file():
        options += ["--secret", f"id=ca-bundle,src={bundle}"]
    return options


class Docker:
    """Builds with the machine's Docker, or a program of that name. Official images are pulled."""

    name = "docker"

    def conditions(self) -> tuple[str, ...]:
        """Return only the engine's name, because the Dockerfiles pin their base by its digest."""
        return (self.name,)

    def build(self, image: Image, context: Path, arguments: dict[str, str], run: Run) -> None:
        """Build an image of this project; pull any other."""
        if self.builds(image):
            run(["docker", "build", *build_options(image, context, arguments), str(context)])
        else:
            run(["docker", "pull", image.reference])

    def builds(self, image: Image) -> bool:
        """Return whether the image is this project's."""
        return not image.official

    def save(self, image: Image, archive: Path, run: Run) -> None:
        """Write the archive in Docker's own format."""
        run(["docker", "save", "--output", str(archive), image.reference])

    def push(self, image: Image, archive: Path, target: str, run: Run) -> None:
        """Push with the credentials of `docker login`. The archive is loaded first, in case the image was pruned."""
        run(["docker", "load", "--input", str(archive)])
        run(["docker", "tag", image.reference, target])
        run(["docker", "push", target])


class Buildah:
    """Builds as root, without a daemon and without a registry. All its data is in one folder.

    The programs are installed at their first use, so that listing images installs nothing.
    """

    name = "buildah"

    def __init__(self, storage: Path) -> None:
        self._buildah = (
            "buildah",
            *("--storage-driver", "overlay"),
            *("--root", str(storage / "root")),
            *("--runroot", str(storage / "run")),
        )
        self._base = base.version()

    def conditions(self) -> tuple[str, ...]:
        """Return the engine's name and the base's version."""
        return (self.name, self._base)

    def build(self, image: Image, context: Path, arguments: dict[str, str], run: Run) -> None:
        """Build in a chroot, which also works where containers cannot be nested."""
        need_packages("buildah", "mmdebstrap")
        made = base.ensure(self._buildah, self._base, run)
        how = ("--isolation", "chroot", "--network", "host", "--pull-never", "--layers", "--format", "docker")
        options = build_options(image, context, {"BASE_IMAGE": made, **arguments})
        run([*self._buildah, "build", *how, *options, str(context)])

    def builds(self, image: Image) -> bool:  # noqa: ARG002 - the engines' common interface
        """Return True, because buildah builds replacements for the official images, too."""
        return True

    def save(self, image: Image, archive: Path, run: Run) -> None:
        """Write the archive in Docker's format."""
        run([*self._buildah, "push", "--quiet", image.reference, f"docker-archive:{archive}:{image.reference}"])

    def push(self, image: Image, archive: Path, target: str, run: Run) -> None:
        """Copy the archive to the registry, with the credentials of `skopeo login`."""
        need_packages("skopeo")
        run(["skopeo", "copy", f"docker-archive:{archive}:{image.reference}", f"docker://{target}"])


def choose(cache: Path) -> Engine:
    """Return the engine that IMAGE_ENGINE names, else Docker if it answers, else buildah."""
    wanted = os.environ.get("IMAGE_ENGINE") or default_name()
    if wanted == "docker":
        return Docker()
    if wanted == "buildah":
        return Buildah(cache / "buildah")
    raise ImagesError(f"IMAGE_ENGINE is '{wanted}'; use docker or buildah")


def default_name() -> str:
    """Return the default engine: docker if it answers, else buildah."""
    return "docker" if have("docker") and succeeds("docker", "info") else "buildah"
