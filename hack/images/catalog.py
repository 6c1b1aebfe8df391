"""What there is to build: each image's name, Dockerfile and inputs."""

from __future__ import annotations

from dataclasses import dataclass

BASE_IMAGE = "debian:trixie-slim"


class ImagesError(Exception):
    """A person must change something; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image, by the name that manifests call it by, and everything of the checkout that goes into it."""

    name: str
    reference: str
    dockerfile: str
    inputs: tuple[str, ...]
    official: bool = False
    """Whether the reference is somebody else's: our build only stands in where no registry can be reached."""
    optional: bool = False
    """Whether only a component needs it, so that it is built when it is named."""

    @property
    def repository(self) -> str:
        """The reference without its tag."""
        return self.reference.partition(":")[0]


def project(name: str, version: str, folder: str, *inputs: str) -> Image:
    """Return one of our own images."""
    return Image(
        name=name,
        reference=f"kube-airflow/{name}:{version}",
        dockerfile=f"{folder}/Dockerfile",
        inputs=(folder, *inputs),
    )


def stand_in(reference: str, *, optional: bool = False) -> Image:
    """Return a stand-in for the official image ``reference``."""
    name = reference.partition(":")[0].rpartition("/")[2]
    folder = f"hack/images/{name}"
    return Image(
        name=name,
        reference=reference,
        dockerfile=f"{folder}/Dockerfile",
        inputs=(folder,),
        official=True,
        optional=optional,
    )


GIT = "docker/install-git"
BUILD = "requirements/build.txt"
GATE = ("gitsync/gate", "gitsync/git/__init__.py", "gitsync/git/entries.py", "gitsync/git/policy.py")
BUNDLE = ("gitsync/__init__.py", "gitsync/airflow.py", *GATE)
IMAGES = (
    project("airflow", "3.3.2", "docker/airflow", "requirements/airflow.txt", BUILD, *BUNDLE, GIT),
    project("gitsync", "0.1.0", "docker/gitsync", "requirements/gitsync.txt", BUILD, "gitsync", "pyproject.toml", GIT),
    project("pgbouncer", "1.24", "docker/pgbouncer"),
    project("git-server", "0.1.0", "hack/images/git-server", GIT),
    stand_in("postgres:17"),
    stand_in("prom/statsd-exporter:v0.28.0", optional=True),
    stand_in("rabbitmq:4.0"),
    stand_in("redis:8.0"),
)


def chosen(names: list[str]) -> list[Image]:
    """Return the images of these names; without names, all that an overlay without components needs."""
    known = {image.name: image for image in IMAGES}
    if unknown := [name for name in names if name not in known]:
        raise ImagesError(f"no image is named {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else [image for image in IMAGES if not image.optional]
