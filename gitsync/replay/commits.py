"""Compares each of the last commits of a repository with the one before it, on a copy of the repository."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.analysis.analyst import Analyst
from gitsync.errors import Refused, SettingsError
from gitsync.git import trust
from gitsync.git.clone import Clone, Submodules, Tidying
from gitsync.git.clone import folder as normal
from gitsync.git.mirror import Mirror
from gitsync.git.remote import Remote
from gitsync.git.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gitsync.airflow.policy import TreePolicy
    from gitsync.analysis.messages import Limits
    from gitsync.impact.side import Discovery
    from gitsync.impact.way import Leg

USUAL_FOLDER = "dags"


@dataclass(frozen=True)
class Compared:
    """One commit, compared with its first parent."""

    revision: str
    dag_files: frozenset[str]
    """The DAG files of the commit and its parent, as paths in the DAG folder."""
    touched: frozenset[str]
    """Those that the commit touches."""
    why: str
    """The causes, in a sentence; or the reason why the commit would be refused."""
    ways: Mapping[str, tuple[Leg, ...]] = field(default_factory=dict)
    """See `gitsync.impact.touched.Touched.ways`."""

    @property
    def everything(self) -> bool:
        """Whether each of at least one DAG file is touched."""
        return bool(self.touched) and self.touched == self.dag_files


class Replay:
    """The last commits of one repository. The repository is only read; ``scratch`` gets a copy of what is compared."""

    def __init__(self, repository: Path, ref: str, last: int, scratch: Path) -> None:
        """Copy ``last`` commits and the one before them. Raises RemoteError and StoreError."""
        url = str(repository.resolve())
        clone = Clone(depth=last + 1, submodules=Submodules.OFF, gc=Tidying.OFF)
        self._scratch = scratch
        self._mirror = Mirror(scratch / "mirror.git", timeout=600.0, clone=clone)
        self._mirror.prepare()
        allowed = scratch / "gitconfig"
        trust.write(allowed, ["*"])  # a checkout that a container has mounted belongs to another user
        newest = self._mirror.fetch(trust.trusting(Remote(url), allowed), ref)
        self.revisions = first_parents(self._mirror, newest, last + 1)
        """Commit ids, the newest first."""
        for revision in self.revisions:
            self._mirror.export(revision, url)

    def folder(self, wanted: str | None) -> str:
        """The DAG folder: ``wanted``, or ``dags`` if the newest commit has one. Raises Refused and SettingsError."""
        newest = self.revisions[0]
        try:
            found = USUAL_FOLDER if wanted is None else normal(wanted)
            self._mirror.require_directory(newest, found)
        except ValueError as error:
            raise SettingsError(f"--subdirectory {error}") from None
        except Refused:
            if wanted is not None:
                raise
            return ""
        return found

    def compare(self, folder: str, policy: TreePolicy, discovery: Discovery, limits: Limits) -> Iterator[Compared]:
        """Compare each commit with its first parent, the newest first. Raises StoreError."""
        analyst = Analyst(
            source="impact", mirror=self._mirror, facts=self._scratch / "facts", subdirectory=folder,
            policy=policy, discovery=discovery, limits=limits,
        )  # fmt: skip
        for revision, base in zip(self.revisions, self.revisions[1:], strict=False):
            yield _compared(analyst, revision, base)


def first_parents(mirror: Mirror, revision: str, most: int) -> list[str]:
    """``revision`` and its first parents, at most ``most`` commits. Raises SettingsError if it has no parent."""
    repository = Repository(mirror.directory, timeout=mirror.timeout)
    listed = repository.run("rev-list", "--first-parent", f"--max-count={most}", revision).decode().split()
    if len(listed) < 2:
        raise SettingsError("the repository has one commit, so there is nothing to compare; fetch more of its history")
    return listed


def _compared(analyst: Analyst, revision: str, base: str) -> Compared:
    try:
        touched = analyst.judge(revision, base, check=False).touched
    except Refused as refusal:
        return Compared(revision, frozenset(), frozenset(), f"would be refused: {refusal}")
    files = touched.dag_files if touched.files is None else touched.files
    return Compared(revision, touched.dag_files, files, touched.why, touched.ways)
