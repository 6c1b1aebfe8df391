"""The record as JSON, and the counts of waiting."""

from __future__ import annotations

import pytest

from gitsync.controller.patience import SAVED_EVERY, Patience
from gitsync.controller.record import Phase, Record, Restart
from gitsync.errors import ClusterError
from gitsync.rules.decide import BlockingRun
from gitsync.rules.orders import Orders

OLD, NEW = "a" * 40, "b" * 40


def test_a_record_survives_its_json() -> None:
    orders = Orders(suspended="suspended by ann", rollback=OLD, rollback_by="ann")
    record = Record(7, NEW, OLD, Phase.FLIPPING, "now", "pod", 12.5, orders, {"worker": Restart("why", ("uid",))})
    assert Record.parse(record.as_json()) == record


def test_a_record_of_an_earlier_version_is_read() -> None:
    text = f'{{"epoch": 3, "revision": "{OLD}", "previous": null, "phase": "published", "at": "t", "leader": "x"}}'
    assert Record.parse(text) == Record(3, OLD, None, Phase.PUBLISHED, "t", "x")


@pytest.mark.parametrize("text", ["", "[]", "7", '{"phase": "odd"}', '{"phase": "published", "orders": 3}'])
def test_an_edited_record_is_named(text: str) -> None:
    with pytest.raises(ClusterError, match="restore the ConfigMap's JSON"):
        Record.parse(text)


def test_a_publication_ends_the_wait_and_its_own_order() -> None:
    record = Record(waited=99, orders=Orders(publish=NEW, publish_by="ann")).following(NEW, Phase.FLIPPING)
    assert (record.epoch, record.revision, record.orders.publish) == (1, NEW, NEW)
    done = record.published("now")
    assert (done.waited, done.orders.publish, done.phase) == (0.0, None, Phase.PUBLISHED)


def test_an_order_for_another_revision_stays() -> None:
    record = Record(orders=Orders(publish=OLD, publish_by="ann")).following(NEW, Phase.FLIPPING)
    assert record.published("now").orders.publish == OLD


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_only_time_that_runs_deferred_counts() -> None:
    clock = Clock()
    patience = Patience(clock)
    for seconds, deferred in ((5, True), (10, True), (100, False), (1000, True), (3, True)):
        clock.now += seconds
        patience.count(deferred_by_runs=deferred)
    assert patience.waited == 13
    patience.start_over()
    assert patience.waited == 0


def test_a_long_wait_is_saved_once() -> None:
    clock = Clock()
    patience = Patience(clock)
    patience.count(deferred_by_runs=True)
    assert patience.unsaved(7) is None
    clock.now += SAVED_EVERY
    patience.count(deferred_by_runs=True)
    assert patience.unsaved(7) == 7 + SAVED_EVERY
    assert patience.unsaved(7 + SAVED_EVERY) is None


def test_a_frozen_run_is_timed_from_when_it_is_seen_so() -> None:
    clock = Clock()
    patience = Patience(clock)
    frozen = BlockingRun("etl", "one", "running", None, None, "waits", frozen=True)
    moving = BlockingRun("etl", "one", "running", None, None, "waits", frozen=False)
    assert [run.frozen_for for run in patience.with_runs((frozen,))] == [0]
    clock.now += 50
    assert [run.frozen_for for run in patience.with_runs((frozen,))] == [50]
    assert patience.with_runs((moving,)) == (moving,)
    assert [run.frozen_for for run in patience.with_runs((frozen,))] == [0], "it had moved in between"
