"""Notices to a webhook: their content, their signature, and which answers are a success."""

from __future__ import annotations

import threading
from base64 import b64encode
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitsync.errors import NotDelivered
from gitsync.notify.webhook import Webhook
from tests.unit.notices import DEFERRED, NEW, PUBLISHED, REFUSED, UNDONE, AnswerTo, Receiver, valid
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.notify.notice import Notice
    from tests.unit.services import Seen


@pytest.mark.parametrize("notice", [PUBLISHED, DEFERRED, REFUSED, UNDONE], ids=lambda notice: notice.kind.value)
def test_a_webhook_gets_the_whole_notice(receiver: Receiver, notice: Notice) -> None:
    webhook = Webhook(url=f"{receiver.url}/hook")
    assert webhook.wants(notice)
    webhook.send(notice)
    (seen,), (document,) = receiver.seen, receiver.documents
    assert (seen.method, seen.path, seen.headers["Gitsync-Hash"]) == ("POST", "/hook", NEW)
    assert document == {
        "id": notice.name, "kind": notice.kind.value, "source": "dags", "revision": NEW, "message": notice.message,
        "epoch": notice.epoch, "runs": list(notice.runs), "reason": notice.reason, "at": notice.at,
    }  # fmt: skip
    assert "webhook-signature" not in {name.lower() for name in seen.headers}


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        pytest.param(b"any text\n", b"any text", id="text"),
        pytest.param(b"whsec_" + b64encode(b"32 bytes") + b"\n", b"32 bytes", id="whsec"),
    ],
)
def test_a_webhook_is_signed(receiver: Receiver, tmp_path: Path, secret: bytes, key: bytes) -> None:
    """Id, time and body are: with each of them changed, the signature is wrong."""
    file = tmp_path / "secret"
    file.write_bytes(secret)
    Webhook(url=receiver.url, secret_file=file).send(PUBLISHED)
    (seen,) = receiver.seen
    assert valid(seen, key)
    assert not valid(seen, b"another")
    assert not valid(replace(seen, body=seen.body + b" "), key)
    for name in ("Webhook-id", "Webhook-timestamp"):
        assert not valid(replace(seen, headers={**seen.headers, name: "1"}), key)


def test_a_webhook_that_is_sent_again_has_its_id_and_the_key_of_the_day(receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for key in (b"one", b"two"):
        file.write_bytes(key)
        Webhook(url=receiver.url, secret_file=file).send(PUBLISHED)
        assert valid(receiver.seen[-1], key)
    assert len({document["id"] for document in receiver.documents}) == 1


def test_no_authorities_are_read_for_http(receiver: Receiver, tmp_path: Path) -> None:
    """That takes longer than the call. Where it is needed, a file without any is an error."""
    nobody = tmp_path / "ca.crt"
    nobody.touch()
    Webhook(url=receiver.url, ca_file=nobody).send(PUBLISHED)
    assert len(receiver.seen) == 1
    with pytest.raises(NotDelivered):
        Webhook(url=receiver.url.replace("http://", "https://"), ca_file=nobody).send(PUBLISHED)


@pytest.mark.parametrize(
    ("status", "success", "delivered"),
    [(200, None, True), (204, None, True), (302, None, False), (500, None, False), (201, 201, True), (200, 201, False),
     (500, 0, True)],
)  # fmt: skip
def test_which_answers_are_a_success(receiver: Receiver, status: int, success: int | None, *, delivered: bool) -> None:
    receiver.answer = lambda _seen: (status, {"Location": "/elsewhere"}, "")
    webhook = Webhook(url=f"{receiver.url}/hook", success_status=success, method="put")
    with nullcontext() if delivered else pytest.raises(NotDelivered, match=f"answered with status {status}"):
        webhook.send(PUBLISHED)
    assert [(seen.method, seen.path) for seen in receiver.seen] == [("PUT", "/hook")]


def test_a_receiver_that_hangs_is_given_up(receiver: Receiver) -> None:
    release = threading.Event()

    def hang(_seen: Seen) -> AnswerTo:
        release.wait(PATIENCE)
        return 200, {}, ""

    receiver.answer = hang
    try:
        with pytest.raises(NotDelivered, match="cannot be reached"):
            Webhook(url=receiver.url, timeout=0.2).send(PUBLISHED)
    finally:
        release.set()
