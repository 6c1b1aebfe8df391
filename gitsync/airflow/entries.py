"""One file of a revision, as Git lists it. Airflow's image has this module, too: the policy on trees needs it."""

from __future__ import annotations

from typing import NamedTuple

FILE, EXECUTABLE, SYMLINK, SUBMODULE = "100644", "100755", "120000", "160000"


class Entry(NamedTuple):
    """One file of a tree."""

    mode: str
    """``100644``, ``100755`` (executable), ``120000`` (symbolic link); before the export, ``160000`` (submodule)."""
    blob: str
    """The id of the file's content, or a submodule's commit."""
    size: int
    """Bytes; 0 if Git was not asked."""
