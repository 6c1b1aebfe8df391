"""Reads the checkout for a release: its version and its commit. Judges whether a release can be made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import git

import gitsync

if TYPE_CHECKING:
    from pathlib import Path

CHANGELOG = "CHANGELOG.md"
NAMED = 3
"""Changed files that a refusal names; it counts the rest."""


class ReleaseError(Exception):
    """No release can be made until a person acts. The message names the cure."""


@dataclass(frozen=True)
class Source:
    """A checkout: its state in Git, and the version of its package."""

    version: str
    commit: str
    time: int
    """The commit's time, in seconds since 1970. All files of a release have this time."""
    tags: tuple[str, ...]
    """The commit's tags that begin with "v"."""
    changed: tuple[str, ...]
    """Files that differ from the commit, or that the commit does not have."""
    notes: str | None
    """The text of the version's section in the changelog; None if there is none."""

    @property
    def tag(self) -> str:
        """The tag of a release of this version."""
        return f"v{self.version}"

    @property
    def refusal(self) -> str | None:
        """The reason why no release can be made, and the cure, in one sentence; None if it can be made."""
        reason = self._reason()
        return f"{reason}, or try it with `make release TRY=1`" if reason else None

    def _reason(self) -> str | None:
        commit = f"commit {self.commit[:12]}"
        if self.changed:
            more = "" if len(self.changed) <= NAMED else f" and {len(self.changed) - NAMED} more"
            return f"{commit} does not have {', '.join(self.changed[:NAMED])}{more}: commit the changes"
        if self.notes is None:
            return f"{CHANGELOG} has no heading `## [{self.version}] - YEAR-MONTH-DAY`: give it its date"
        if self.tag in self.tags:
            return None
        if self.tags:
            return f"{commit} is tagged {self.tags[0]}, but gitsync/__init__.py says {self.version}: change one of them"
        return f"{commit} has no tag {self.tag}: `git tag --annotate {self.tag}`"


def read(checkout: Path) -> Source:
    """Return the source in ``checkout``. Raises ReleaseError if it is no Git checkout."""
    try:
        repository = git.Repo(checkout)
    except git.InvalidGitRepositoryError:
        raise ReleaseError(f"{checkout} is no Git checkout: clone the repository") from None
    commit = repository.head.commit
    status = repository.git.status("--porcelain", "--untracked-files=all", "-z")
    return Source(
        version=gitsync.__version__,
        commit=commit.hexsha,
        time=commit.committed_date,
        tags=tuple(tag.name for tag in repository.tags if tag.commit == commit and tag.name.startswith("v")),
        changed=tuple(line[3:] for line in status.split("\0") if line),
        notes=section((checkout / CHANGELOG).read_text(), gitsync.__version__),
    )


def section(changelog: str, version: str) -> str | None:
    """Return the text below the heading with ``version`` and a date (https://keepachangelog.com); None without it."""
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}\n"
    found = re.search(rf"{heading}(.*?)(?=^## |^\[[^\]]+\]: |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() + "\n" if found else None
