"""The two ways to build an image: Docker from public base images, buildah from a base that we make ourselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hack.images import base
from hack.images.catalog import BASE_IMAGE, Image, ImagesError
from hack.images.run import have, need_packages, succeeds

if TYPE_CHECKING:
    from hack.images.run import Run

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class Engine(Protocol):
    """What building, keeping and pushing need of either. Long commands go through ``run``."""

    name: str

    def conditions(self) -> tuple[str, ...]:
        """Return what every result depends on beside its image's own inputs."""
        ...

    def build(self, image: Image, context: Path, arguments: dict[str, str], run: Run) -> None:
        """Build ``image`` and keep it under its reference."""
        ...

    def save(self, image: Image, archive: Path, run: Run) -> None:
        """Write what was built last as an archive that container runtimes import."""
        ...

    def push(self, image: Image, archive: Path, target: str, run: Run) -> None:
        """Send ``image``, which ``archive`` holds, to a registry."""
        ...


def build_options(image: Image, context: Path, arguments: dict[str, str]) -> list[str]:
    """Return the options that both engines understand."""
    options = ["--file", str(context / image.dockerfile), "--tag", image.reference]
    for name, value in {"BASE_IMAGE": BASE_IMAGE, **arguments}.items():
        options += ["--build-arg", f"{name}={value}"]
    # A machine whose connections are signed by a certificate of its own has that one in here.
    bundle = Path(os.environ.get("SSL_CERT_FILE", CERTIFICATES))
    if bundle.is_file():
        options += ["--secret", f"id=ca-bundle,src={bundle}"]
    return options


class Docker:
    """Builds with the machine's Docker, or what calls itself so; official images come from their makers."""

    name = "docker"

    def conditions(self) -> tuple[str, ...]:
        """Return nothing more: public base images are taken to be what their tags say."""
        return (self.name,)

    def build(self, image: Image, context: Path, arguments: dict[str, str], run: Run) -> None:
        """Build what is ours, fetch what is not."""
        if image.official:
            run(["docker", "pull", image.reference])
        else:
            run(["docker", "build", *build_options(image, context, arguments), str(context)])

    def save(self, image: Image, archive: Path, run: Run) -> None:
        """Write Docker's own format."""
        run(["docker", "save", "--output", str(archive), image.reference])

    def push(self, image: Image, archive: Path, target: str, run: Run) -> None:
        """Push with the credentials of `docker login`; the archive brings back what was pruned since."""
        run(["docker", "load", "--input", str(archive)])
        run(["docker", "tag", image.reference, target])
        run(["docker", "push", target])


class Buildah:
    """Builds without a daemon and without a registry, as root, with everything it keeps below one folder."""

    name = "buildah"

    def __init__(self, storage: Path) -> None:
        self._buildah = (
            "buildah",
            *("--storage-driver", "overlay"),
            *("--root", str(storage / "root")),
            *("--runroot", str(storage / "run")),
        )
        self._base = base.month()

    def conditions(self) -> tuple[str, ...]:
        """Return the base too, which changes under the same name."""
        return (self.name, self._base)

    def build(self, image: Image, context: Path, arguments: dict[str, str], run: Run) -> None:
        """Build in a chroot: this works where containers cannot be nested."""
        base.ensure(self._buildah, self._base, run)
        how = ("--isolation", "chroot", "--network", "host", "--pull-never", "--layers", "--format", "docker")
        run([*self._buildah, "build", *how, *build_options(image, context, arguments), str(context)])

    def save(self, image: Image, archive: Path, run: Run) -> None:
        """Write the format that Docker writes too."""
        run([*self._buildah, "push", "--quiet", image.reference, f"docker-archive:{archive}:{image.reference}"])

    def push(self, image: Image, archive: Path, target: str, run: Run) -> None:
        """Copy the archive as it is, with the credentials of `skopeo login`."""
        run(["skopeo", "copy", f"docker-archive:{archive}:{image.reference}", f"docker://{target}"])


def choose(cache: Path) -> Engine:
    """Return the engine that IMAGE_ENGINE names, else Docker if it answers, else buildah."""
    wanted = os.environ.get("IMAGE_ENGINE") or default_name()
    if wanted == "docker":
        return Docker()
    if wanted == "buildah":
        need_packages("buildah", "debootstrap", "skopeo")
        return Buildah(cache / "buildah")
    raise ImagesError(f"IMAGE_ENGINE is '{wanted}': docker or buildah")


def default_name() -> str:
    """Return the engine for a machine that we know nothing of."""
    return "docker" if have("docker") and succeeds("docker", "info") else "buildah"
