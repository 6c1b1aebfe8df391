"""Lets Git read local repositories that belong to other users, as far as whoever named them allows.

Git gives a fetch's configuration to no program of a local repository, because that repository has its own. So the
setting has to be in a file that Git takes for the user's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitsync.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitsync.git.remote import Remote

KEY = "safe.directory"


def trusting(remote: Remote, file: Path) -> Remote:
    """``remote``, fetched with ``file`` as the user's configuration if the file exists."""
    return replace(remote, env={**remote.env, "GIT_CONFIG_GLOBAL": str(file)}) if file.exists() else remote


def write(file: Path, directories: Sequence[str]) -> None:
    """Make ``file``, or remove it if there are no ``directories``. Raises StoreError."""
    quoted = [directory.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for directory in directories]
    try:
        if quoted:
            file.write_text("[safe]\n" + "".join(f'directory = "{directory}"\n' for directory in quoted))
        else:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {file}: {error.strerror}; check the owner of --root") from error
