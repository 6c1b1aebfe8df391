"""An image's inputs: what they are, what identifies them, and a build context that holds them and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hack.images.catalog import Image, ImagesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# One time for every staged file, since layer caches take a new time for a change.
STAGED_TIME = 1_600_000_000


@dataclass(frozen=True)
class Inputs:
    """The files of one build, by their path in the build context, and its build arguments."""

    image: Image
    files: dict[str, Path]
    arguments: dict[str, str]


def gather(image: Image, checkout: Path, extra: dict[str, Path]) -> Inputs:
    """Return what ``image`` is built from; ``extra`` are files or folders for build arguments, from anywhere."""
    files: dict[str, Path] = {}
    for relative in image.inputs:
        files |= dict(walk(checkout / relative, relative))
    arguments = {}
    for argument, path in extra.items():
        arguments[argument] = f"extra/{argument.lower()}"
        files |= dict(walk(path, arguments[argument]))
    return Inputs(image, dict(sorted(files.items())), arguments)


def walk(path: Path, relative: str) -> Iterator[tuple[str, Path]]:
    """Yield a file, or each file of a folder, with its path in the context; what Python leaves behind is not meant."""
    if path.is_file():
        yield relative, path
    elif not path.is_dir():
        raise ImagesError(f"{path} does not exist")
    else:
        for each in path.iterdir():
            if each.name != "__pycache__":
                yield from walk(each, f"{relative}/{each.name}")


def key(inputs: Inputs, *conditions: str) -> str:
    """Return what identifies the result: the same key is the same image, as far as we decide it."""
    digest = hashlib.sha256(repr((inputs.image, inputs.arguments, conditions)).encode())
    for relative, path in inputs.files.items():
        executable = bool(path.stat().st_mode & 0o100)
        digest.update(repr((relative, executable, hashlib.sha256(path.read_bytes()).hexdigest())).encode())
    return digest.hexdigest()[:16]


def stage(inputs: Inputs, context: Path) -> None:
    """Copy the files to ``context``: what a Dockerfile takes but the catalog does not list fails the build."""
    for relative, path in inputs.files.items():
        target = context / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        # Not as the checkout's umask had it: the image's user must be able to read it.
        target.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        os.utime(target, (STAGED_TIME, STAGED_TIME))
