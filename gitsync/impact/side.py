"""One side of a comparison: a revision's files, its rules, and the DAG files among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gitsync.impact import facts, rules, snapshot
from gitsync.impact.patterns import AirflowIgnore, IgnoreSyntax

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from gitsync.airflow.entries import Entry
    from gitsync.impact.cache import Known
    from gitsync.impact.rules import Rules
    from gitsync.impact.snapshot import Snapshot

_IGNORE_FILE = ".airflowignore"


@dataclass(frozen=True)
class Discovery:
    """How Airflow finds DAG files. The values must be those of Airflow's own configuration."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    ignore_syntax: IgnoreSyntax = IgnoreSyntax.GLOB
    """``glob`` or ``regexp``, as in ``[core] dag_ignore_file_syntax``."""
    safe_mode: bool = True
    """As ``[core] dag_discovery_safe_mode``. True: only files that mention Airflow and DAGs or assets are DAG files."""


@dataclass(frozen=True)
class Side:
    """One revision. Paths are relative to the repository's root."""

    files: Mapping[str, Entry]
    folder: str
    """The DAG folder, with a slash at its end; empty for the repository's root."""
    rules: Rules
    ignored: AirflowIgnore
    read: Callable[[Collection[str]], Mapping[str, bytes]]
    linked: frozenset[str]
    """Paths that lead through a symbolic link."""

    @classmethod
    def of(cls, tree: Snapshot, said: Rules, discovery: Discovery) -> Side:
        """Make a side of a tree and its rules. Raises TooManyLinks."""
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
        """The paths that Airflow loads as DAG files."""
        return {
            path
            for path, entry in self.files.items()
            if (kind := facts.kind(path)) in (facts.PYTHON, facts.ARCHIVE)
            and path.startswith(self.folder)
            and (not discovery.safe_mode or known[entry.blob, kind].dag)
            and path.removeprefix(self.folder) not in self.ignored
        }

    def members(self, path: str, known: Mapping[tuple[str, str], Known]) -> set[str]:
        """The DAG files in the archive at ``path``, with the names that Airflow gives them."""
        if (entry := self.files.get(path)) is None:
            return set()
        names = known[entry.blob, facts.kind(path)].members
        return {f"{path}/{name}" for name in names.split("/") if name}


def stated(tree: Snapshot) -> Rules:
    """The rules in the tree's ``.gitsync.yaml``; without that file, no rules. Raises Refused."""
    entry = tree.files.get(rules.NAME)
    if entry is None:
        return rules.Rules()
    if entry.size > rules.LIMIT:
        raise rules.wrong("", f"is larger than {rules.LIMIT >> 10} KiB; use fewer patterns")
    return rules.parse(tree.read([entry.blob])[entry.blob])
