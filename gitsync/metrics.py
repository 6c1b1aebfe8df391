"""The metrics of the controller. Names follow Prometheus' conventions, with the unit in the name."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
LEADER = Gauge("gitsync_leader", "1 on the controller that leads, 0 on a standby")
FETCHES = Counter("gitsync_fetches", "Looks at the remote", ["source", "outcome"])
FETCH_SECONDS = Histogram("gitsync_fetch_seconds", "Duration of a look at the remote", ["source"])
FETCHED_AT = Gauge("gitsync_last_fetch_timestamp_seconds", "When the remote last answered", ["source"])
DEFECTS = Counter("gitsync_defects", "Errors that gitsync does not expect; the source went on", ["source"])
PUBLICATIONS = Counter("gitsync_publications", "Publications: published, or undone", ["source", "outcome"])
REFUSALS = Counter("gitsync_refusals", "Revisions that were refused", ["source", "reason"])
ANALYSES_LIMITED = Counter(
    "gitsync_analyses_limited", "Analyses of a commit that a limit of memory or time has ended", ["source"]
)
UNFORESEEN = Counter(
    "gitsync_unforeseen", "Touched DAG files of which only the gate saw that they use what has changed", ["source"]
)
HOUSEKEEPING = Counter("gitsync_housekeeping_failures", "Old trees that could not be removed", ["source"])
UNSERIALIZED = Counter("gitsync_unserialized", "Publications whose DAG files Airflow did not parse in time", ["source"])
PUBLISHED_AT = Gauge("gitsync_last_publication_timestamp_seconds", "When a revision was last published", ["source"])
EPOCH = Gauge("gitsync_epoch", "Number of the last publication", ["source"])
DEFERRED_SECONDS = Gauge("gitsync_deferred_seconds", "Seconds that the candidate is deferred; 0 if none is", ["source"])
DEFERRALS = Counter(
    "gitsync_deferrals", "Candidates that were deferred, by what they waited for and the DAG files they touched",
    ["source", "cause", "touched"],
)  # fmt: skip
BLOCKING_RUNS = Gauge("gitsync_blocking_runs", "DAG runs that defer the candidate", ["source"])
MEMBERS = Gauge("gitsync_members", "Pods with a sidecar: reporting, silent or fenced", ["source", "state"])
WEBHOOKS = Counter("gitsync_webhooks", "Webhooks of Git hosts, by their outcome", ["source", "outcome"])
NOTICES = Counter("gitsync_notices", "Notices to others, by their outcome", ["source", "sink", "outcome"])
HOLD_SECONDS = Histogram(
    "gitsync_hold_seconds",
    "Duration of a hold, in which no task starts",
    ["source"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def exposition() -> bytes:
    """All metrics, in Prometheus' text format."""
    return generate_latest()
