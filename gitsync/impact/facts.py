"""What one file says of others: a function of its content and kind alone, so it is worked out once per blob."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass

from gitsync.impact import mentions, python
from gitsync.impact.python import MENTION

VERSION = 2
"""Of the analysis: a higher one makes every cache anew."""
PYTHON, ARCHIVE, COMPILED, SHELL, TEXT = "python", "archive", "compiled", "shell", "text"
_KINDS = {
    "py": PYTHON,
    "zip": ARCHIVE, "egg": ARCHIVE, "whl": ARCHIVE, "pyz": ARCHIVE,
    "so": COMPILED, "pyd": COMPILED, "pyc": COMPILED,
    "sh": SHELL, "bash": SHELL,
}  # fmt: skip
LIMITS = {PYTHON: 4 << 20, ARCHIVE: 64 << 20, COMPILED: 0, SHELL: 1 << 20, TEXT: 1 << 20}
"""Bytes above which a file of a kind is not read."""
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, RuntimeError, OSError, EOFError,
    ValueError, IndexError, OverflowError,
)  # fmt: skip
"""What `zipfile` raises for contents that nobody zipped; encrypted members are RuntimeError."""
_MENTIONS = 5_000
"""Files that name more are data about something else."""


@dataclass(frozen=True)
class Facts:
    """What may be loaded or read because of this file, whether it exists or not."""

    uses: frozenset[tuple[str, int]] = frozenset()
    """Module names with their level: 0 absolute, 1 and more relative; MENTION for names of files."""
    anything: str = ""
    """Why it may depend on any file of the repository; empty when it does not."""
    reads: str = ""
    """Why it may read any file that is not Python; empty when it does not."""
    dag: bool = False
    """Airflow's safe mode would look into it for DAGs."""
    exports: bool = False
    """It mentions ``__all__``, which a star import takes submodules from."""
    classes: frozenset[tuple[str, str]] = frozenset()
    """Class names with the last part of each base's name."""
    members: tuple[str, ...] = ()
    """Files at the top of an archive that Airflow loads as DAG files."""


def kind(path: str) -> str:
    """What a file is, by its name."""
    return _KINDS.get(path.rpartition("/")[2].rpartition(".")[2].lower(), TEXT)


def unread(file_kind: str) -> Facts:
    """What has to be thought of a file that is not read."""
    why = {COMPILED: "is compiled code", PYTHON: "is too large to be analysed", SHELL: "is too large to be analysed"}
    why[ARCHIVE] = "is too large to be opened"
    return Facts(anything=why.get(file_kind, ""), dag=file_kind in (ARCHIVE, PYTHON))


def analyse(file_kind: str, content: bytes) -> Facts:
    """The facts of one file."""
    if file_kind == PYTHON:
        return _python(content)
    if file_kind == ARCHIVE:
        return _archive(content)
    return Facts(_named(content), anything="is a shell script" if file_kind == SHELL else "")


def may_have_dags(content: bytes) -> bool:
    """Airflow 3.3.2, `airflow.utils.file.might_contain_dag_via_default_heuristic`."""
    lower = content.lower()
    return b"airflow" in lower and (b"dag" in lower or b"asset" in lower)


def _named(content: bytes) -> frozenset[tuple[str, int]]:
    if b"\0" in content:
        return frozenset()
    found: set[tuple[str, int]] = set()
    for line in content.decode(errors="replace").splitlines():
        found.update((name, MENTION) for name in mentions.names(line))
    return frozenset(found) if len(found) <= _MENTIONS else frozenset()


def _python(content: bytes) -> Facts:
    source = python.read(content)
    if source is None:
        # Airflow's Python may be newer than this one, and understand it.
        return Facts(_named(content), "cannot be parsed", "cannot be parsed", may_have_dags(content), exports=True)
    return Facts(
        uses=frozenset(source.uses),
        anything=source.anything,
        reads=source.reads,
        dag=may_have_dags(content),
        exports=source.exports,
        classes=frozenset(source.classes),
    )


def _archive(content: bytes) -> Facts:
    """A zip file of DAGs: its own modules, and what they use outside it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inside = archive.infolist()
            if sum(item.file_size for item in inside) > LIMITS[ARCHIVE]:
                return unread(ARCHIVE)
            sources = [_python(archive.read(item)) for item in inside if kind(item.filename) == PYTHON]
    except _DAMAGED:
        return Facts(anything="is a damaged archive", dag=True)
    return _merged(sources, [item.filename for item in inside])


def _merged(sources: list[Facts], names: list[str]) -> Facts:
    compiled = "holds compiled code" if any(kind(name) == COMPILED for name in names) else ""
    return Facts(
        uses=frozenset(use for source in sources for use in source.uses if use[1] <= 0),
        anything=next((source.anything for source in sources if source.anything), compiled),
        reads=next((source.reads for source in sources if source.reads), ""),
        dag=True,
        classes=frozenset(pair for source in sources for pair in source.classes),
        members=tuple(name for name in names if "/" not in name and name.endswith((".py", ".pyc"))),
    )
