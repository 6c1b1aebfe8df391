"""Helpers for tests of mirrors: git as a command, remotes, the text of a tree."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, Protocol

from gitsync.git.remote import Remote

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.access.credentials import Credentials
    from gitsync.git.mirror import Mirror
    from tests.unit.conftest import Upstream

NOWHERE = Remote("file:///nowhere")


class MakeMirror(Protocol):
    def __call__(self, name: str = "mirror", **options: Any) -> Mirror:
        """A prepared mirror; ``options`` are those of Clone. The same ``name`` again is a restart."""


def git(directory: Path, *args: str, stdin: str = "") -> str:
    command = ["git", "-C", str(directory), *args]
    return subprocess.run(command, input=stdin, check=True, capture_output=True, text=True).stdout.strip()


def commit(directory: Path) -> None:
    """Commit what is staged in another repository than ``upstream``, or what `Upstream.commit` cannot stage."""
    git(directory, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "x")


def at(upstream: Upstream) -> Remote:
    return Remote(f"file://{upstream.path}")


def here(credentials: Credentials, url: str) -> Remote:
    """``url`` as the source's own repository."""
    return credentials.remote(url, main=url)


def publish(mirror: Mirror, upstream: Upstream, url: str | None = None) -> str:
    """Fetch and export the head of ``main``, and return its revision."""
    remote = Remote(url) if url else at(upstream)
    revision = mirror.fetch(remote, "main")
    mirror.export(revision, remote.url)
    return revision


def text(mirror: Mirror, revision: str) -> dict[str, str]:
    files = mirror.files(revision)
    contents = mirror.read({entry.blob for entry in files.values()})
    return {path: contents[entry.blob].decode() for path, entry in files.items()}
