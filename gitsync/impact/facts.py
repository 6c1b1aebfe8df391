"""Analyses one file: the modules and files that it may use. The result depends only on its content and its ending."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass, field

from gitsync.impact import code, words
from gitsync.impact.unit import Code

VERSION = 4
"""Version of the analysis. Raise it with every change of a result: caches of other versions are thrown away."""
PYTHON, ARCHIVE, COMPILED, SHELL = "python", "archive", "compiled", "shell"
TEMPLATE, SETTINGS, DATA, TEXT = "template", "settings", "data", "text"
_KINDS = {
    "py": PYTHON,
    "zip": ARCHIVE, "egg": ARCHIVE, "whl": ARCHIVE, "pyz": ARCHIVE,
    "so": COMPILED, "pyd": COMPILED, "pyc": COMPILED,
    "sh": SHELL, "bash": SHELL,
    **dict.fromkeys(("sql", "hql", "j2", "jinja", "jinja2", "tpl", "tmpl", "ddl", "dml", "cypher", "html"), TEMPLATE),
    **dict.fromkeys(("yaml", "yml", "json", "toml", "ini", "cfg", "conf", "txt"), SETTINGS),
    **dict.fromkeys(("csv", "tsv", "ipynb", "lock", "xml", "avsc", "svg", "md", "rst"), DATA),
}  # fmt: skip
LIMITS = {
    PYTHON: 4 << 20, ARCHIVE: 64 << 20, COMPILED: 0, SHELL: 1 << 20, TEMPLATE: 1 << 20, SETTINGS: 1 << 20, DATA: 0,
    TEXT: 1 << 20,
}  # fmt: skip
"""Bytes above which a file of a kind is not read. Names of files in data are about other files, so it is never read."""
_TEXTS = {SHELL: words.shell, TEMPLATE: words.template, SETTINGS: words.settings, TEXT: words.text}
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, RuntimeError, OSError, EOFError,
    ValueError, IndexError, OverflowError,
)  # fmt: skip
"""Errors of `zipfile` for damaged archives. RuntimeError stands for encrypted members."""
_MEMBERS = 2_000
"""Python files in an archive, above which it is not read."""


@dataclass(frozen=True)
class Facts:
    """The modules and files that one file may load or read. They need not exist."""

    code: Code = field(default_factory=Code)
    anything: str = ""
    """The reason why the file may depend on any file of the DAG folder; empty if it does not."""
    dag: bool = False
    """Whether Airflow's safe mode would look into the file for DAGs."""
    members: tuple[str, ...] = ()
    """The files at the top of an archive that Airflow loads as DAG files."""
    opaque: bool = False
    """Whether the file was not read because it is beyond a limit."""


def kind(path: str) -> str:
    """The kind of a file, by its name."""
    return _KINDS.get(path.rpartition("/")[2].rpartition(".")[2].lower(), TEXT)


def unread(file_kind: str) -> Facts:
    """The facts to assume of a file that is too large to be read, or is compiled code."""
    why = {COMPILED: "is compiled code", PYTHON: "is too large to be analysed", SHELL: "is too large to be analysed"}
    why[ARCHIVE] = "is too large to be opened"
    opaque = file_kind in (ARCHIVE, PYTHON, SHELL)
    return Facts(anything=why.get(file_kind, ""), dag=file_kind in (ARCHIVE, PYTHON), opaque=opaque)


def beyond(file_kind: str, why: str) -> Facts:
    """The facts to assume of a file whose analysis was ended. ``why`` names the limit."""
    return Facts(anything=why, dag=file_kind in (ARCHIVE, PYTHON), opaque=True)


def analyse(file_kind: str, content: bytes) -> Facts:
    """The facts of a file with this content."""
    if file_kind == PYTHON:
        return _python(content)
    if file_kind == ARCHIVE:
        return _archive(content)
    return Facts(_TEXTS[file_kind](content)) if file_kind in _TEXTS else Facts()


def may_have_dags(content: bytes) -> bool:
    """Whether a file may have DAGs, as Airflow 3.3 decides: `might_contain_dag_via_default_heuristic`."""
    lower = content.lower()
    return b"airflow" in lower and (b"dag" in lower or b"asset" in lower)


def _python(content: bytes) -> Facts:
    try:
        found = code.read(content)
    except MemoryError:
        return beyond(PYTHON, "takes more memory than its analysis may use")
    if found is None:
        # Airflow may have a newer Python, which can parse the file.
        return Facts(words.source(content), dag=may_have_dags(content))
    why = "has more expressions than are evaluated" if found.beyond else ""
    return Facts(found, why, may_have_dags(content), opaque=found.beyond)


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
    """All modules of an archive as one that runs whole. Imports of one another stay inside."""
    compiled = "holds compiled code" if any(kind(name) == COMPILED for name in names) else ""
    units = [unit for source in sources for unit in source.code.units]
    for unit in units:
        unit.wakes, unit.main = [], False
        unit.imports = {item: line for item, line in unit.imports.items() if not item[1]}
    return Facts(
        Code(units, classes={pair for source in sources for pair in source.code.classes}),
        anything=next((source.anything for source in sources if source.anything), compiled),
        dag=True,
        opaque=any(source.opaque for source in sources),
        members=tuple(name for name in names if "/" not in name and name.endswith((".py", ".pyc"))),
    )
