"""An image's inputs: collects the files, computes their key, and makes a build context with exactly these files."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hack.lab.images.catalog import Image, ImagesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# All staged files have this time, because layer caches take a new time for a change.
STAGED_TIME = 1_600_000_000


@dataclass(frozen=True)
class Inputs:
    """The files of one build, by their path in the build context, and its build arguments."""

    image: Image
    files: dict[str, Path]
    arguments: dict[str, str]


def gather(image: Image, checkout: Path, extra: dict[str, Path]) -> Inputs:
    """Return the inputs of ``image``. ``extra`` has files or folders outside the checkout, by build argument."""
    files: dict[str, Path] = {}
    for relative in image.inputs:
        files |= dict(walk(checkout / relative, relative))
    arguments = {}
    for argument, path in extra.items():
        arguments[argument] = f"extra/{argument.lower()}"
        files |= dict(walk(path, arguments[argument]))
    return Inputs(image, dict(sorted(files.items())), arguments)


def walk(path: Path, relative: str) -> Iterator[tuple[str, Path]]:
    """Yield a file, or each file of a folder without Python's caches, with its path in the context."""
    if path.is_file():
        yield relative, path
    elif not path.is_dir():
        raise ImagesError(f"{path} does not exist")
    else:
        for each in path.iterdir():
            if each.name != "__pycache__":
                yield from walk(each, f"{relative}/{each.name}")


def key(inputs: Inputs, *conditions: str) -> str:
    """Return the key of the result. The same key means the same inputs and conditions."""
    digest = hashlib.sha256(repr((inputs.image, inputs.arguments, conditions)).encode())
    for relative, path in inputs.files.items():
        executable = bool(path.stat().st_mode & 0o100)
        digest.update(repr((relative, executable, hashlib.sha256(path.read_bytes()).hexdigest())).encode())
    return digest.hexdigest()[:16]


def stage(inputs: Inputs, context: Path) -> None:
    """Copy the files to ``context``. A Dockerfile that needs a file outside the catalog's list fails to build then."""
    for relative, path in inputs.files.items():
        target = context / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        # The checkout's umask may hide files, but the image's user must be able to read them.
        target.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        os.utime(target, (STAGED_TIME, STAGED_TIME))
