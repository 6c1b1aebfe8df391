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
from gitsync.impact.snapshot import Snapshot
from gitsync.impact.touched import Touched, touched

if TYPE_CHECKING:
    from gitsync.gate.keeper import Gatekeeper
    from gitsync.git.mirror import Mirror
    from gitsync.git.remote import Remote
    from gitsync.impact.cache import FactCache
    from gitsync.settings import SourceSettings
    from gitsync.trees.store import Store

_INCOMPARABLE = Touched(frozenset(), everything=True, why="every DAG file: there is nothing to compare it with")


@dataclass(kw_only=True)
class Admission:
    """Checks one source's revisions. Used by the source's thread, and by whoever asks for an explanation."""

    settings: SourceSettings
    mirror: Mirror
    store: Store
    """Our own trees, which the gate reads."""
    facts: FactCache
    gatekeeper: Gatekeeper
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
        found, removed = self._compared(revision, base)
        if settings.gate.asks and not vouched:
            self._ask_gate(revision, base, found)
        return _candidate(revision, base, found, removed)

    def explained(self, revision: str, base: str | None) -> Candidate:
        """What ``revision`` would change, without asking whether it may."""
        self.have(revision)
        return _candidate(revision, base, *self._compared(revision, base))

    def touched(self, revision: str, base: str | None) -> Touched:
        """What publishing ``revision`` after ``base`` may change for Airflow."""
        return self._compared(revision, base)[0]

    def _compared(self, revision: str, base: str | None) -> tuple[Touched, frozenset[str]]:
        """What is touched, and the files below the DAG folder, relative to it, that ``base`` has alone."""
        if base is None or not self.mirror.exported(base):
            return _INCOMPARABLE, frozenset()
        changed = self.mirror.changed(base, revision)
        old, new = self._snapshot(base), self._snapshot(revision)
        found = touched(old, new, changed, self.facts, self.settings.impact)
        return found, self._below(changed - new.files.keys())

    def _snapshot(self, revision: str) -> Snapshot:
        return Snapshot(self.mirror.files(revision), self.settings.subdirectory, self.mirror.read)

    def _below(self, files: frozenset[str]) -> frozenset[str]:
        folder = PurePosixPath(self.settings.subdirectory)
        paths = map(PurePosixPath, files)
        return frozenset(str(path.relative_to(folder)) for path in paths if path.is_relative_to(folder))

    def _ask_gate(self, revision: str, base: str | None, found: Touched) -> None:
        if base is not None and not self.mirror.exported(base):
            base = None
        base_tree = self.store.stage(base, self.mirror) if base else None
        tree = self.store.stage(revision, self.mirror, near=base)
        files = None if found.everything else found.files
        why = self.gatekeeper.admit(revision, tree, base, base_tree, files)
        self.store.remove_except({revision, base or revision}, older_than=0)
        if why is not None:
            raise Refused("GateRefused", f"revision {revision[:12]}: {why}")


def _candidate(revision: str, base: str | None, found: Touched, removed: frozenset[str]) -> Candidate:
    files = None if found.everything else found.files
    return Candidate(revision, base, Impact(files, removed), found.why, found.restart)
