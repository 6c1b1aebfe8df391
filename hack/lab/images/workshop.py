"""Builds each image once. An archive in the cache has the key of all inputs in its name, so it is never outdated."""

from __future__ import annotations

import fcntl
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hack.lab.images import engine
from hack.lab.images.catalog import ImagesError
from hack.lab.images.inputs import Inputs, gather, key, stage
from hack.lab.images.root import ImageRoot
from hack.lab.images.run import runner
from hack.progress import step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.lab.images.catalog import Image

KEPT = 2
"""Archives of an image to keep, so that going back to the previous state of a checkout costs no build."""


class Workshop:
    """The images of one checkout. Several checkouts may share the cache."""

    def __init__(self, checkout: Path, cache: Path, extra: dict[str, Path]) -> None:
        self.engine = engine.choose(cache)
        self._checkout = checkout
        self._extra = extra
        self._archives = cache / "images"

    def archive(self, image: Image) -> Path:
        """Return the path of the archive for the current inputs of ``image``, also if it is not built yet."""
        return self._archive_of(self._inputs(image))

    def build(self, image: Image) -> Path:
        """Build ``image`` unless its archive exists, and return the archive. Raises ImagesError."""
        with self._locked():
            inputs = self._inputs(image)
            archive = self._archive_of(inputs)
            if archive.exists():
                archive.touch()  # the oldest archives are removed
            else:
                self._make(inputs, archive)
        return archive

    def log(self, image: Image) -> Path:
        """Return the path of the log of ``image``."""
        return self._archives / f"{image.name}.log"

    def _inputs(self, image: Image) -> Inputs:
        return gather(image, self._checkout, self._extra if image.name == "airflow" else {})

    def _archive_of(self, inputs: Inputs) -> Path:
        return self._archives / f"{inputs.image.name}-{key(inputs, *self.engine.conditions())}.tar"

    def _make(self, inputs: Inputs, archive: Path) -> None:
        image, log = inputs.image, self.log(inputs.image)
        log.unlink(missing_ok=True)
        with step(f"building {image.reference} with {self.engine.name}") as current:
            run = runner(current, log)
            with tempfile.TemporaryDirectory(prefix="kube-airflow-context-") as context:
                stage(inputs, Path(context))
                self.engine.build(image, Path(context), inputs.arguments, run)
            draft = archive.with_suffix(".new")
            draft.unlink(missing_ok=True)  # a killed build may have left it, and buildah would add to it
            self.engine.save(image, draft, run)
            if self.engine.builds(image):
                refuse_privileges(image, draft)
            draft.rename(archive)
            current.result = f"{archive.stat().st_size / 1e6:.0f} MB"
        self._remove_old(image)

    def _remove_old(self, image: Image) -> None:
        # The key's sixteen characters are in the pattern, so that `git-server-*` does not match an image named `git`.
        archives = self._archives.glob(f"{image.name}-{'?' * 16}.tar")
        for surplus in sorted(archives, key=lambda path: path.stat().st_mtime)[:-KEPT]:
            surplus.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let only one build run at a time, also for different checkouts."""
        self._archives.mkdir(parents=True, exist_ok=True)
        with (self._archives / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def refuse_privileges(image: Image, archive: Path) -> None:
    """Raise ImagesError if ``image`` has programs with setuid or setgid bits. No pod needs one."""
    with ImageRoot(archive) as root:
        found = [path for path, file in root.files.items() if file.mode & (stat.S_ISUID | stat.S_ISGID)]
    if found:
        raise ImagesError(
            f"{image.reference} has setuid or setgid programs: {', '.join(sorted(found))}; "
            f"end the last installation in {image.dockerfile} with `chmod a-s`, as in the other Dockerfiles"
        )
