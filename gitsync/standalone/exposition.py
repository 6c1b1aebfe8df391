"""A loop's state as Prometheus' text, by upstream git-sync's names, so that its dashboards go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric, SummaryMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitsync.standalone.hooks import Follower
    from gitsync.standalone.state import State


class _Loop:
    def __init__(self, state: State, followers: Sequence[Follower]) -> None:
        self._state = state
        self._followers = followers

    def collect(self) -> Iterator[Metric]:
        syncs = CounterMetricFamily("git_sync_count", "Syncs, by how they ended", labels=["status"])
        durations = SummaryMetricFamily("git_sync_duration_seconds", "How long they took", labels=["status"])
        for status, tally in list(self._state.syncs.items()):
            syncs.add_metric([status], tally.count)
            durations.add_metric([status], tally.count, tally.seconds)
        hooks = CounterMetricFamily("git_sync_hook_run_count", "Calls of hooks", labels=["name", "status"])
        for follower in self._followers:
            for status, runs in list(follower.runs.items()):
                hooks.add_metric([follower.name, status], runs)
        yield from (syncs, durations, hooks)
        yield CounterMetricFamily("git_fetch_count", "Syncs that published", value=self._state.syncs["success"].count)
        yield GaugeMetricFamily("git_sync_failures", "Consecutive failures", value=self._state.failures)
        yield InfoMetricFamily("git_sync_published", "What readers see", value={"revision": self._state.revision or ""})


def exposition(state: State, followers: Sequence[Follower]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Loop(state, followers))
    return generate_latest(registry)
