"""One of the two revisions: its files, its rules, and which of its files Airflow looks into for DAGs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gitsync.impact import facts, rules, snapshot
from gitsync.impact.patterns import AirflowIgnore

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from gitsync.impact.cache import Known
    from gitsync.impact.rules import Rules
    from gitsync.impact.snapshot import Entry, Snapshot

_IGNORE_FILE = ".airflowignore"


@dataclass(frozen=True)
class Discovery:
    """How Airflow finds DAG files; must be what its own configuration says."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    ignore_syntax: str = "glob"
    """``glob`` or ``regexp``: ``[core] dag_ignore_file_syntax``."""
    safe_mode: bool = True
    """``[core] dag_discovery_safe_mode``: only files that mention Airflow and DAGs or assets."""

    def __post_init__(self) -> None:
        if self.ignore_syntax not in ("glob", "regexp"):
            raise ValueError("ignore_syntax must be `glob` or `regexp`, as [core] dag_ignore_file_syntax in Airflow")


@dataclass(frozen=True)
class Side:
    """Paths are relative to the repository's root."""

    files: Mapping[str, Entry]
    folder: str
    """The DAG folder with a slash; empty for the whole repository."""
    rules: Rules
    ignored: AirflowIgnore
    read: Callable[[Collection[str]], Mapping[str, bytes]]
    linked: frozenset[str]
    """Files that are there through a symbolic link."""

    @classmethod
    def of(cls, tree: Snapshot, said: Rules, discovery: Discovery) -> Side:
        """Raises TooManyLinks."""
        files = snapshot.files(tree)
        folder = "/".join(part for part in tree.subdirectory.split("/") if part not in ("", "."))
        folder = f"{folder}/" if folder else ""
        ignoring = {
            path.removeprefix(folder).rpartition("/")[0]: entry.blob
            for path, entry in files.items()
            if path.startswith(folder) and path.rpartition("/")[2] == _IGNORE_FILE
        }
        contents = tree.read(set(ignoring.values())) if ignoring else {}
        patterns = {directory: contents[blob] for directory, blob in ignoring.items()}
        linked = frozenset(path for path, entry in files.items() if tree.files.get(path) != entry)
        return cls(files, folder, said, AirflowIgnore(patterns, discovery.ignore_syntax), tree.read, linked)

    def dag_files(self, known: Mapping[tuple[str, str], Known], discovery: Discovery) -> set[str]:
        """What Airflow loads as DAG files."""
        return {
            path
            for path, entry in self.files.items()
            if (kind := facts.kind(path)) in (facts.PYTHON, facts.ARCHIVE)
            and path.startswith(self.folder)
            and (not discovery.safe_mode or known[entry.blob, kind].dag)
            and path.removeprefix(self.folder) not in self.ignored
        }

    def members(self, path: str, known: Mapping[tuple[str, str], Known]) -> set[str]:
        """What Airflow loads from the archive at ``path``, named as it names that."""
        if (entry := self.files.get(path)) is None:
            return set()
        names = known[entry.blob, facts.kind(path)].members
        return {f"{path}/{name}" for name in names.split("/") if name}


def stated(tree: Snapshot) -> Rules:
    """What the repository says of itself. Raises Refused."""
    entry = tree.files.get(rules.NAME)
    if entry is None:
        return rules.Rules()
    if entry.size > rules.LIMIT:
        raise rules.wrong("", f"is larger than {rules.LIMIT >> 10} KiB; use fewer patterns")
    return rules.parse(tree.read([entry.blob])[entry.blob])
