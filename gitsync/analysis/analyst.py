"""Starts the analysis of a commit, and starts it again without a file that was beyond a limit."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from gitsync import metrics
from gitsync.analysis.messages import Request, Verdict
from gitsync.analysis.process import Ended, Unreadable, run
from gitsync.errors import Refused
from gitsync.impact.steps import Step
from gitsync.impact.touched import Touched

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitsync.airflow.policy import TreePolicy
    from gitsync.airflow.trace import Trace
    from gitsync.analysis.messages import Limits
    from gitsync.git.mirror import Mirror
    from gitsync.impact.side import Discovery

MOST_BEYOND = 8
"""Files beyond a limit, for each of which the analysis begins again, within the same time."""
_REFUSES = {Step.POLICY: "TreeRefused", Step.RULES: "GitsyncYamlWrong"}
"""Steps without which a revision cannot be published, each with the reason of the refusal."""
_ONE = threading.Lock()
"""Lets one analysis at a time run, because the container has the memory for one."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Analyst:
    """Analyses the commits of one source. From any thread."""

    source: str
    mirror: Mirror
    facts: Path
    """The directory of the cache of files. Losing it costs only time."""
    subdirectory: str
    policy: TreePolicy
    discovery: Discovery
    limits: Limits

    def judge(
        self, revision: str, base: str | None, *, check: bool, traces: Mapping[str, Trace] = MappingProxyType({})
    ) -> Verdict:
        """Compare two exported revisions; ``check``: after checking that ``revision`` keeps the tree policy.

        ``traces`` has the traces of DAG files of ``base``. Raises Refused if ``revision`` does not keep the policy, or
        if its ``.gitsync.yaml`` is wrong; StoreError if the volume fails.
        """
        with _ONE:
            ends = time.monotonic() + self.limits.total
            beyond: dict[str, str] = {}
            while True:
                ended = self._once(self._request(revision, base, beyond, traces, check=check), ends)
                if isinstance(ended, Verdict):
                    return ended
                metrics.ANALYSES_LIMITED.labels(self.source).inc()
                log.warning("analysis.limited", extra={"source": self.source, "revision": revision, "why": str(ended)})
                if not ended.blob or ended.blob in beyond or len(beyond) == MOST_BEYOND or time.monotonic() > ends:
                    return _unknown(revision, ended)
                beyond[ended.blob] = ended.why

    def _once(self, request: Request, ends: float) -> Verdict | Ended:
        try:
            return run(request, ends)
        except Unreadable as error:
            if error.suspect:
                self.mirror.suspect()
            raise

    def _request(
        self, revision: str, base: str | None, beyond: dict[str, str], traces: Mapping[str, Trace], *, check: bool
    ) -> Request:
        return Request(
            parent=os.getpid(),
            repository=str(self.mirror.directory),
            timeout=self.mirror.timeout,
            revision=revision,
            base=base,
            subdirectory=self.subdirectory,
            policy=self.policy if check else None,
            discovery=self.discovery,
            facts=str(self.facts),
            limits=self.limits,
            beyond=beyond,
            traces=dict(traces),
        )


def _unknown(revision: str, ended: Ended) -> Verdict:
    if reason := _REFUSES.get(ended.step):
        raise Refused(reason, f"revision {revision[:12]}: {ended}; simplify it, or raise the limits in `analysis`")
    return Verdict(Touched(None, why=f"every DAG file: {ended}"))
