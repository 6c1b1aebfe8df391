"""The notifier: the last notice about each revision arrives, whatever a receiver does."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import REGISTRY

from gitsync.errors import NotDelivered
from gitsync.notify.notice import Kind, Notice
from gitsync.notify.notifier import Notifier, Retries
from gitsync.notify.webhook import Webhook
from tests.unit.notices import DEFERRED, FAILED, NEW, OLD, PUBLISHED, UNDONE, AnswerTo, Receiver
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.services import Seen

QUICK = Retries(attempts=100, first=0.001, longest=0.01)


def told(notifier: Notifier, *notices: Notice) -> None:
    notifier.start()
    for notice in notices:
        notifier.tell(notice)
    assert notifier.drain(PATIENCE)


def test_the_last_state_of_each_revision_arrives(receiver: Receiver) -> None:
    """1. A receiver fails two times of three, in all ways. 2. States of 10 revisions come, three of each. 3. In the
    end it has heard the last of each, and after that nothing older."""
    failures = [(500, {}, ""), (429, {"Retry-After": "0"}, ""), (200, {}, ""), (302, {"Location": "/"}, "")]
    accepted: list[dict[str, Any]] = []
    lock = threading.Lock()

    def flaky(seen: Seen) -> AnswerTo:
        with lock:
            answer = failures[len(receiver.seen) % len(failures)]
            if answer[0] == 200:
                accepted.append(json.loads(seen.body))
            return answer

    receiver.answer = flaky
    revisions = [f"{number:040x}" for number in range(10)]
    states = [DEFERRED, UNDONE, PUBLISHED]
    notices = [replace(state, revision=revision) for state in states for revision in revisions]
    told(Notifier([Webhook(url=receiver.url)], QUICK), *notices)
    for revision in revisions:
        heard = [document["kind"] for document in accepted if document["revision"] == revision]
        assert heard[-1] == "published"
        assert heard == sorted(heard, key=["deferred", "undone", "published"].index)


def test_what_is_out_of_date_is_not_told(receiver: Receiver) -> None:
    """1. The receiver is down while a revision is deferred. 2. The revision is published. 3. The receiver is up."""
    patient = Retries(attempts=900, first=0.001, longest=0.1)  # longer than this test would wait
    down = True
    receiver.answer = lambda _seen: (503 if down else 200, {}, "")
    notifier = Notifier([Webhook(url=receiver.url)], patient)
    notifier.start()
    notifier.tell(DEFERRED)
    eventually(lambda: receiver.seen, "it is tried")
    notifier.tell(PUBLISHED)
    eventually(lambda: receiver.documents[-1]["kind"] == "published", "the newer state takes its place")
    down = False
    assert notifier.drain(PATIENCE)
    assert Counter(document["kind"] for document in receiver.documents[-2:])["deferred"] == 0


@dataclass
class Slow:
    """A sink in whose hands a notice is until it is let go."""

    label: str = "slow"
    sent: list[Notice] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def wants(self, notice: Notice) -> bool:
        return notice.kind is not Kind.FAILED

    def send(self, notice: Notice) -> None:
        self.held.set()
        assert self.let_go.wait(PATIENCE)
        self.sent.append(notice)
        if self.error is not None:
            raise self.error


@pytest.fixture
def slow() -> Iterator[Slow]:
    with ExitStack() as stack:
        slow = Slow()
        stack.callback(slow.let_go.set)
        yield slow


def outcomes(sink: str) -> dict[str, float]:
    names = ("sent", "failed", "given_up")
    found = {
        name: REGISTRY.get_sample_value("gitsync_notices_total", {"source": "dags", "sink": sink, "outcome": name})
        for name in names
    }
    return {name: value for name, value in found.items() if value}


def test_a_slow_sink_holds_nobody_up(slow: Slow, receiver: Receiver) -> None:
    notifier = Notifier([slow, Webhook(url=receiver.url)], QUICK)
    notifier.start()
    notifier.tell(DEFERRED)
    assert slow.held.wait(PATIENCE)
    notifier.tell(replace(PUBLISHED, revision=OLD))
    eventually(lambda: len(receiver.seen) == 2, "the other sink is told meanwhile")
    assert not notifier.drain(0)


def test_news_that_come_while_the_old_are_being_told_are_told_after_them(slow: Slow) -> None:
    notifier = Notifier([slow], QUICK)
    notifier.start()
    notifier.tell(DEFERRED)
    assert slow.held.wait(PATIENCE)
    notifier.tell(PUBLISHED)
    notifier.tell(FAILED)
    slow.let_go.set()
    assert notifier.drain(PATIENCE)
    assert slow.sent == [DEFERRED, PUBLISHED]


def test_what_waits_is_bounded(slow: Slow, caplog: pytest.LogCaptureFixture) -> None:
    slow.label = "bounded"
    notifier = Notifier([slow], QUICK, most=2)
    notifier.start()
    notices = [replace(PUBLISHED, revision=f"{number:040x}") for number in range(5)]
    notifier.tell(notices[0])
    assert slow.held.wait(PATIENCE)
    for notice in notices[1:]:
        notifier.tell(notice)
    slow.let_go.set()
    assert notifier.drain(PATIENCE)
    assert slow.sent == [notices[0], notices[3], notices[4]]
    assert [record.getMessage() for record in caplog.records].count("notice.given_up") == 3


def test_a_receiver_that_stays_down_is_given_up(slow: Slow, caplog: pytest.LogCaptureFixture) -> None:
    """And the next revision is tried anew."""
    slow.label, slow.error = "down", NotDelivered("it is down")
    slow.let_go.set()
    told(Notifier([slow], replace(QUICK, attempts=3)), PUBLISHED, replace(PUBLISHED, revision=OLD))
    assert [notice.revision for notice in slow.sent] == [NEW] * 3 + [OLD] * 3
    assert outcomes("down") == {"failed": 6, "given_up": 2}
    gave_up = [record for record in caplog.records if record.getMessage() == "notice.given_up"]
    assert [vars(record)["revision"] for record in gave_up] == [NEW, OLD]
    assert gave_up[0].levelno == logging.ERROR


def test_what_a_receiver_will_never_take_is_not_sent_again(receiver: Receiver) -> None:
    """A commit that is not in the repository must not keep others waiting."""
    receiver.answer = lambda seen: (422 if NEW in seen.headers["Gitsync-Hash"] else 200, {}, "")
    told(Notifier([Webhook(url=receiver.url)], QUICK), PUBLISHED, replace(PUBLISHED, revision=OLD))
    assert [seen.headers["Gitsync-Hash"] for seen in receiver.seen] == [NEW, OLD]


def test_a_defect_in_a_sink_stops_nothing_else(slow: Slow) -> None:
    slow.label, slow.error = "defect", RuntimeError("a defect")
    slow.let_go.set()
    told(Notifier([slow], QUICK), PUBLISHED, replace(PUBLISHED, revision=OLD))
    assert [notice.revision for notice in slow.sent] == [NEW, OLD]


def test_a_receiver_says_when_to_come_again(receiver: Receiver) -> None:
    """Retry-After takes the place of the wait that would be next, which is an hour here."""
    receiver.answer = lambda _seen: (429 if len(receiver.seen) == 1 else 200, {"Retry-After": "0"}, "")
    told(Notifier([Webhook(url=receiver.url)], Retries(first=3600, longest=3600)), PUBLISHED)
    assert len(receiver.seen) == 2
