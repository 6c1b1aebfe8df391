"""Builds images once: an archive in the cache, named by a key of everything that went into it, says that it is done."""

from __future__ import annotations

import fcntl
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hack.images import engine
from hack.images.inputs import Inputs, gather, key, stage
from hack.images.run import runner
from hack.progress import step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.images.catalog import Image

KEPT = 2
"""Archives of one image that stay: going back to the previous state of a checkout is common, and costs nothing then."""


class Workshop:
    """One checkout's images, in a cache that several checkouts share."""

    def __init__(self, checkout: Path, cache: Path, extra: dict[str, Path]) -> None:
        self.engine = engine.choose(cache)
        self._checkout = checkout
        self._extra = extra
        self._archives = cache / "images"
        self._archives.mkdir(parents=True, exist_ok=True)

    def archive(self, image: Image) -> Path:
        """Return where the archive of ``image`` as it is now is, or will be."""
        return self._archive_of(self._inputs(image))

    def build(self, image: Image) -> Path:
        """Return the archive of ``image``, built if need be."""
        with self._locked():
            inputs = self._inputs(image)
            archive = self._archive_of(inputs)
            if archive.exists():
                archive.touch()  # so that it is not the one to go
            else:
                self._make(inputs, archive)
        return archive

    def log(self, image: Image) -> Path:
        """Return the log of what is done to ``image``."""
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
            draft.unlink(missing_ok=True)  # a build that was killed may have left it, and buildah adds to what is there
            self.engine.save(image, draft, run)
            draft.rename(archive)
            current.result = f"{archive.stat().st_size / 1e6:.0f} MB"
        self._remove_old(image)

    def _remove_old(self, image: Image) -> None:
        # A key has sixteen characters: `git-server-*` must not be taken for an image named `git`.
        archives = self._archives.glob(f"{image.name}-{'?' * 16}.tar")
        for surplus in sorted(archives, key=lambda path: path.stat().st_mtime)[:-KEPT]:
            surplus.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one build run at a time, whichever checkout it is for."""
        with (self._archives / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
