"""The loop's state in Prometheus' text format, with git-sync's metric names, so that its dashboards still work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric, SummaryMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitsync.standalone.hooks import Hook
    from gitsync.standalone.state import State


class _Loop:
    def __init__(self, state: State, hooks: Sequence[Hook]) -> None:
        self._state = state
        self._hooks = hooks

    def collect(self) -> Iterator[Metric]:
        syncs = CounterMetricFamily("git_sync_count", "Syncs, by how they ended", labels=["status"])
        durations = SummaryMetricFamily("git_sync_duration_seconds", "Duration of syncs", labels=["status"])
        for status, tally in list(self._state.syncs.items()):
            syncs.add_metric([status], tally.count)
            durations.add_metric([status], tally.count, tally.seconds)
        hooks = CounterMetricFamily("git_sync_hook_run_count", "Calls of hooks", labels=["name", "status"])
        for hook in self._hooks:
            for status, runs in list(hook.runs.items()):
                hooks.add_metric([hook.name, status], runs)
        yield from (syncs, durations, hooks)
        yield CounterMetricFamily("git_fetch_count", "Syncs that published", value=self._state.syncs["success"].count)
        yield GaugeMetricFamily("git_sync_failures", "Consecutive failures", value=self._state.failures)
        yield CounterMetricFamily(
            "gitsync_housekeeping_failures", "Old trees or leftovers not removed", value=self._state.unremoved()
        )
        revision = self._state.revision or ""
        yield InfoMetricFamily("git_sync_published", "The published revision", value={"revision": revision})


def exposition(state: State, hooks: Sequence[Hook]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Loop(state, hooks))
    ProcessCollector(registry=registry)  # process_*: memory, CPU and open files, under the names of all exporters
    # Go's libraries write 1 where Python's writes 1.0, and scripts compare the text.
    return re.sub(rb"^([^#].*)\.0$", rb"\1", generate_latest(registry), flags=re.MULTILINE)
