"""Checks a fetched revision, and finds out its impact. A revision that passes every check is a candidate."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from gitsync import metrics
from gitsync.checks.signatures import verify
from gitsync.controller.candidate import Candidate
from gitsync.errors import GateLost, Refused
from gitsync.rules.decide import Impact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitsync.airflow.trace import Trace
    from gitsync.analysis.analyst import Analyst
    from gitsync.analysis.messages import Verdict
    from gitsync.gate.keeper import Gatekeeper
    from gitsync.git.mirror import Mirror
    from gitsync.git.remote import Remote
    from gitsync.impact.touched import Touched
    from gitsync.settings import SourceSettings
    from gitsync.trees.shelf import Shelf

MOST_LOGGED = 10
"""Lines of the log about the dependencies of one revision."""

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Admission:
    """Checks the revisions of one source. The source's thread uses it, and the server's threads for `explain`."""

    settings: SourceSettings
    mirror: Mirror
    shelf: Shelf
    """The trees that the gate reads."""
    analyst: Analyst
    gatekeeper: Gatekeeper
    _writing: threading.RLock = field(default_factory=threading.RLock)
    """Lets only one thread at a time write to the mirror."""

    def fetch(self, ref: str) -> str:
        """The revision to which ``ref`` leads now. Raises RemoteError."""
        with self._writing:
            return self.mirror.fetch(self._remote(self.settings.repo), ref)

    def have(self, revision: str) -> None:
        """Make the tree of ``revision`` available to members; fetch it if it is not here. Raises RemoteError."""
        with self._writing:
            if not self.mirror.has(revision):
                self.mirror.fetch(self._remote(self.settings.repo), revision)
            self.mirror.export(revision, self.settings.repo, self._remote)

    def _remote(self, url: str) -> Remote:
        return self.settings.credentials.remote(url, main=self.settings.repo)

    def admit(self, revision: str, base: str | None, *, vouched: bool) -> Candidate:
        """Check ``revision`` and compare it with ``base``. Raises Refused if it breaks a rule.

        Any other GitSyncError means that a check failed for another reason and must be repeated. ``vouched``: an
        operator has named the revision, so its signature and the gate do not matter.
        """
        settings = self.settings
        if not vouched:
            verify(self.mirror, revision, settings.ref, settings.signatures)
        self.have(revision)
        self.mirror.require_directory(revision, settings.subdirectory)
        verdict = self._compared(revision, base, check=True)
        if settings.gate.asks and not vouched:
            if not self._traces(base) and self._imported(base):
                verdict = self._compared(revision, base, check=False)
            self._ask_gate(revision, base, verdict.touched)
        self._note_unforeseen(revision, verdict.touched)
        return _candidate(revision, base, verdict)

    def explained(self, revision: str, base: str | None) -> Candidate:
        """The impact of ``revision``, compared with ``base``, without any check."""
        self.have(revision)
        return _candidate(revision, base, self._compared(revision, base, check=False))

    def touched(self, revision: str, base: str | None) -> Touched:
        """The DAG files that may behave differently if ``revision`` is published after ``base``."""
        return self._compared(revision, base, check=False).touched

    def _compared(self, revision: str, base: str | None, *, check: bool) -> Verdict:
        comparable = self._comparable(base)
        return self.analyst.judge(revision, comparable, check=check, traces=self._traces(comparable))

    def _comparable(self, base: str | None) -> str | None:
        """The published revision, if its tree can be read."""
        return base if base is not None and self.mirror.exported(base) else None

    def _traces(self, base: str | None) -> Mapping[str, Trace]:
        return {} if base is None else self.gatekeeper.traces(base)

    def _note_unforeseen(self, revision: str, found: Touched) -> None:
        """Say which dependencies only the gate has seen: the rules of `gitsync.impact` lack them."""
        metrics.UNFORESEEN.labels(self.settings.name).inc(len(found.unforeseen))
        for path, cause in islice(found.unforeseen.items(), MOST_LOGGED):
            log.warning("impact.unforeseen", extra={"revision": revision, "dag_file": path, "path": cause})

    def _imported(self, base: str | None) -> bool:
        """Have the gate import the published DAG files. Whether there are traces of them now."""
        if (base := self._comparable(base)) is None:
            return False
        store = self.shelf.open()
        with suppress(GateLost):  # the next question to the gate counts how often it has ended
            self.gatekeeper.know(base, store.stage(base, self.mirror))
        return bool(self._traces(base))

    def _ask_gate(self, revision: str, base: str | None, found: Touched) -> None:
        base = self._comparable(base)
        store = self.shelf.open()
        base_tree = store.stage(base, self.mirror) if base else None
        tree = store.stage(revision, self.mirror, near=base)
        why = self.gatekeeper.admit(revision, tree, base, base_tree, found.files)
        store.remove_except({revision, base or revision}, older_than=0)
        metrics.HOUSEKEEPING.labels(self.settings.name).inc(store.unremoved)
        if why is not None:
            raise Refused("GateRefused", f"revision {revision[:12]}: {why}")


def _candidate(revision: str, base: str | None, verdict: Verdict) -> Candidate:
    found = verdict.touched
    impact = Impact(found.files, verdict.removed)
    return Candidate(revision, base, impact, found.why, found.restart, found.opaque, found.ways)
