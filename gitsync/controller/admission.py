"""From a fetched revision to a candidate: everything that can be known of it before a pod has it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gitsync.controller.candidate import Candidate
from gitsync.decide import Impact
from gitsync.errors import Refused
from gitsync.git.policy import objection
from gitsync.git.signatures import verify

if TYPE_CHECKING:
    from gitsync.git.mirror import Mirror
    from gitsync.git.remote import Remote
    from gitsync.settings import SourceSettings


@dataclass(kw_only=True)
class Admission:
    """Checks one source's revisions. Used by the source's thread, and by whoever asks for an explanation."""

    settings: SourceSettings
    mirror: Mirror
    _writing: threading.RLock = field(default_factory=threading.RLock)
    """One thread at a time writes to the mirror."""

    def fetch(self, ref: str) -> str:
        """The revision that ``ref`` is now. Raises RemoteError."""
        with self._writing:
            return self.mirror.fetch(self._remote(self.settings.repo), ref)

    def have(self, revision: str) -> None:
        """Have the tree of ``revision`` for members, from the remote if it is not here. Raises RemoteError."""
        with self._writing:
            if not self.mirror.has(revision):
                self.mirror.fetch(self._remote(self.settings.repo), revision)
            self.mirror.export(revision, self.settings.repo, self._remote)

    def _remote(self, url: str) -> Remote:
        return self.settings.credentials.remote(url, main=self.settings.repo)

    def admit(self, revision: str, base: str | None, *, vouched: bool) -> Candidate:
        """Raises Refused; any other error means that it could not be judged, and is to be tried again.

        ``vouched``: an operator has named it, so neither its signature nor the gate is asked for.
        """
        settings = self.settings
        if not vouched:
            verify(self.mirror, revision, settings.ref, settings.signatures)
        self.have(revision)
        self.mirror.require_directory(revision, settings.subdirectory)
        if why := objection(self.mirror.files(revision), self.mirror.read, settings.tree):
            raise Refused("TreeRefused", f"revision {revision[:12]}: {why}")
        return Candidate(revision, base, Impact(None, self._removed(revision, base)))

    def explained(self, revision: str, base: str | None) -> Candidate:
        """What ``revision`` would change, without asking whether it may."""
        self.have(revision)
        return Candidate(revision, base, Impact(None, self._removed(revision, base)))

    def _removed(self, revision: str, base: str | None) -> frozenset[str]:
        """Files below the DAG folder that ``base`` has and ``revision`` has not, relative to that folder."""
        if base is None or not self.mirror.exported(base):
            return frozenset()
        gone = self.mirror.changed(base, revision) - self.mirror.files(revision).keys()
        folder = PurePosixPath(self.settings.subdirectory)
        paths = map(PurePosixPath, gone)
        return frozenset(str(path.relative_to(folder)) for path in paths if path.is_relative_to(folder))
