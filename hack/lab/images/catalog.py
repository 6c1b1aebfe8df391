"""The list of images to build, with the name, Dockerfile and inputs of each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

VERSIONS = Path(__file__).parents[3] / "base/images/kustomization.yaml"


class ImagesError(Exception):
    """An image cannot be built, loaded or pushed until a person acts. The message names the cure."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image: its name in manifests (``reference``), and the files of the checkout that go into it (``inputs``)."""

    name: str
    reference: str
    dockerfile: str
    inputs: tuple[str, ...]
    official: bool = False
    """Whether the image is another project's. Then a build replaces it only on machines without a registry."""
    series: str = field(default="", repr=False)  # not in the repr, which is part of the build's key
    """The version of the replacement, if Debian does not have the version of the reference's tag."""
    optional: bool = False
    """Whether only a component needs the image. Then it is built only if it is named."""

    @property
    def repository(self) -> str:
        """The reference without its tag."""
        return self.reference.partition(":")[0]


def versions() -> dict[str, str]:
    """Return the tag of every image in the manifests, by its repository. Python cannot read YAML by itself."""
    found = re.findall(r'^  - \{name: (\S+), newTag: "?([^"}]+)"?\}', VERSIONS.read_text(), re.MULTILINE)
    return dict(found)


def reference(repository: str) -> str:
    """Return an image's full name."""
    return f"{repository}:{versions()[repository]}"


def project(name: str, folder: str, *inputs: str) -> Image:
    """Return an image of this project."""
    return Image(
        name=name,
        reference=reference(f"kube-airflow/{name}"),
        dockerfile=f"{folder}/Dockerfile",
        inputs=(folder, *inputs),
    )


def stand_in(repository: str, *, series: str = "", optional: bool = False) -> Image:
    """Return a replacement for the official image of ``repository``. Debian's package may be of another ``series``."""
    name = repository.rpartition("/")[2]
    folder = f"hack/lab/images/{name}"
    return Image(
        name=name,
        reference=reference(repository),
        dockerfile=f"{folder}/Dockerfile",
        inputs=(folder,),
        official=True,
        series=series,
        optional=optional,
    )


GIT = "docker/install-git"
BUILD = "requirements/build.txt"
BUNDLE = ("gitsync/__init__.py", "gitsync/airflow")
IMAGES = (
    project("airflow", "docker/airflow", "requirements/airflow.txt", BUILD, *BUNDLE, GIT),
    project("gitsync", "docker/gitsync", "requirements/gitsync.txt", BUILD, "gitsync", "pyproject.toml", GIT),
    project("pgbouncer", "docker/pgbouncer"),
    project("git-server", "hack/lab/images/git-server", GIT),
    stand_in("postgres"),
    stand_in("prom/statsd-exporter", optional=True),
    stand_in("rabbitmq", series="4.3"),
    stand_in("redis", series="8.0"),
)


def chosen(names: list[str]) -> list[Image]:
    """Return the images with these names; without names, those for an overlay without components."""
    known = {image.name: image for image in IMAGES}
    if unknown := [name for name in names if name not in known]:
        raise ImagesError(f"no image is named {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else [image for image in IMAGES if not image.optional]
