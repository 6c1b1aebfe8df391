"""Gives temporary files a place where the system's own, such as `/tmp`, are read-only, as in a hardened pod."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from gitsync.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def provide(root: Path) -> None:
    """Put temporary files below ``root`` if no other place is writable, also those of programs that this one starts.

    Raises StoreError. Only one process may own ``root``: what an earlier process has left there is removed.
    """
    place = root / ".gitsync.scratch"
    try:
        shutil.rmtree(place, ignore_errors=True)
        tempfile.gettempdir()
    except FileNotFoundError:
        _use(place)


def _use(place: Path) -> None:
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {place}: {error.strerror}; check the owner of --root") from error
    os.environ["TMPDIR"] = tempfile.tempdir = str(place.absolute())
