"""What Git says of one file of a tree. The Airflow image has this module too, for the policy on trees."""

from __future__ import annotations

from typing import NamedTuple

FILE, EXECUTABLE, SYMLINK, SUBMODULE = "100644", "100755", "120000", "160000"


class Entry(NamedTuple):
    """One file of a tree."""

    mode: str
    """``100644``, ``100755`` (executable), ``120000`` (symbolic link); ``160000`` (submodule) only before export."""
    blob: str
    """The id of its content; of a submodule, its commit."""
    size: int
    """Bytes; 0 where it was not asked for."""
