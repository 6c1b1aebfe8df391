"""Analyses one file: the modules and files that it may use. The result depends only on its content and kind."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass

from gitsync.impact import mentions, python
from gitsync.impact.python import MENTION

VERSION = 3
"""Version of the analysis. Raise it with every change of a result: caches of other versions are thrown away."""
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
"""Errors of `zipfile` for damaged archives. RuntimeError stands for encrypted members."""
_MEMBERS = 2_000
"""Python files in an archive, above which it is not read."""
_MENTIONS = 5_000
"""File names in a text, above which its mentions do not count: such a text is data about other files."""


@dataclass(frozen=True)
class Facts:
    """The modules and files that one file may load or read. They need not exist."""

    uses: frozenset[tuple[str, int]] = frozenset()
    """Module names, each with its level: 0 absolute, 1 and more relative. MENTION: the name of a file."""
    anything: str = ""
    """The reason why the file may depend on any file of the repository; empty if it does not."""
    reads: str = ""
    """The reason why the file may read any file that is not Python; empty if it does not."""
    dag: bool = False
    """Whether Airflow's safe mode would look into the file for DAGs."""
    exports: bool = False
    """Whether the file mentions ``__all__``. If so, a star import may load submodules."""
    classes: frozenset[tuple[str, str]] = frozenset()
    """Class names, each with the last part of a base's name."""
    members: tuple[str, ...] = ()
    """The files at the top of an archive that Airflow loads as DAG files."""
    opaque: bool = False
    """Whether the file was not read because it is beyond a limit, so that it counts as reading everything."""


def kind(path: str) -> str:
    """The kind of a file, by its name."""
    return _KINDS.get(path.rpartition("/")[2].rpartition(".")[2].lower(), TEXT)


def unread(file_kind: str) -> Facts:
    """The facts to assume of a file that is too large to be read, or is compiled code."""
    why = {COMPILED: "is compiled code", PYTHON: "is too large to be analysed", SHELL: "is too large to be analysed"}
    why[ARCHIVE] = "is too large to be opened"
    opaque = file_kind not in (COMPILED, TEXT)
    return Facts(anything=why.get(file_kind, ""), dag=file_kind in (ARCHIVE, PYTHON), opaque=opaque)


def beyond(file_kind: str, why: str) -> Facts:
    """The facts to assume of a file whose analysis was ended. ``why`` names the limit."""
    return Facts(anything=why, reads=why, dag=file_kind in (ARCHIVE, PYTHON), exports=True, opaque=True)


def analyse(file_kind: str, content: bytes) -> Facts:
    """The facts of a file with this content."""
    if file_kind == PYTHON:
        return _python(content)
    if file_kind == ARCHIVE:
        return _archive(content)
    return Facts(_named(content), anything="is a shell script" if file_kind == SHELL else "")


def may_have_dags(content: bytes) -> bool:
    """Whether a file may have DAGs, as Airflow 3.3 decides: `might_contain_dag_via_default_heuristic`."""
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
    try:
        source = python.read(content)
    except MemoryError:
        return beyond(PYTHON, "takes more memory than its analysis may use")
    if source is None:
        # Airflow may have a newer Python, which can parse the file.
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
    """The facts of a zip file of DAGs: the uses of all its modules."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inside = archive.infolist()
            if sum(item.file_size for item in inside) > LIMITS[ARCHIVE]:
                return unread(ARCHIVE)
            modules = [item for item in inside if kind(item.filename) == PYTHON]
            if len(modules) > _MEMBERS or any(item.file_size > LIMITS[PYTHON] for item in modules):
                return unread(ARCHIVE)
            sources = [_python(archive.read(item)) for item in modules]
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
        opaque=any(source.opaque for source in sources),
        classes=frozenset(pair for source in sources for pair in source.classes),
        members=tuple(name for name in names if "/" not in name and name.endswith((".py", ".pyc"))),
    )
