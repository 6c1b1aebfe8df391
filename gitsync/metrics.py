"""What Prometheus may scrape. Names follow Prometheus' conventions; units are in the names."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
LEADER = Gauge("gitsync_leader", "1 on the replica that leads")
FETCHES = Counter("gitsync_fetches", "Looks at the remote", ["source", "outcome"])
FETCH_SECONDS = Histogram("gitsync_fetch_seconds", "Duration of a look at the remote", ["source"])
FETCHED_AT = Gauge("gitsync_last_fetch_timestamp_seconds", "When the remote last answered", ["source"])
PUBLICATIONS = Counter("gitsync_publications", "Publications that were committed", ["source", "outcome"])
REFUSALS = Counter("gitsync_refusals", "Revisions that were refused", ["source", "reason"])
UNSERIALIZED = Counter("gitsync_unserialized", "Publications that Airflow did not parse in time", ["source"])
PUBLISHED_AT = Gauge("gitsync_last_publication_timestamp_seconds", "When a revision was last published", ["source"])
EPOCH = Gauge("gitsync_epoch", "Number of the last publication", ["source"])
DEFERRED_SECONDS = Gauge("gitsync_deferred_seconds", "How long the candidate has waited; 0 if none does", ["source"])
BLOCKING_RUNS = Gauge("gitsync_blocking_runs", "DAG runs that defer the candidate", ["source"])
MEMBERS = Gauge("gitsync_members", "Pods that carry a sidecar", ["source", "state"])
WEBHOOKS = Counter("gitsync_webhooks", "Webhooks of Git hosts, by what became of them", ["source", "outcome"])
NOTICES = Counter("gitsync_notices", "Notices to others, by what became of them", ["source", "sink", "outcome"])
HOLD_SECONDS = Histogram(
    "gitsync_hold_seconds",
    "How long no task could start",
    ["source"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def exposition() -> bytes:
    """All of them, in Prometheus' text format."""
    return generate_latest()
