"""A notice of each kind, and a server that writes down the ones that it gets."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitsync.notify.notice import Kind, Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.unit.services import Seen

OLD, NEW = "a" * 40, "b" * 40
PUBLISHED = Notice(kind=Kind.PUBLISHED, source="dags", revision=NEW, epoch=3)
RUNS = ("etl manual__1", "etl manual__2")
DEFERRED = Notice(kind=Kind.DEFERRED, source="dags", revision=NEW, runs=RUNS, message="2 blocking runs")
REFUSED = Notice(kind=Kind.REFUSED, source="dags", revision=NEW, message="no valid signature", reason="Unsigned")
UNDONE = Notice(kind=Kind.UNDONE, source="dags", revision=NEW, message="no answer from worker-0")
FAILED = Notice(kind=Kind.FAILED, source="dags", message="the host does not answer", reason="HostUnreachable")

AnswerTo = tuple[int, "Mapping[str, str]", str]


@dataclass
class Receiver:
    """A server that writes down what it gets."""

    url: str = ""
    answer: Callable[[Seen], AnswerTo] = lambda _seen: (200, {}, "")
    seen: list[Seen] = field(default_factory=list)

    def __call__(self, seen: Seen) -> AnswerTo:
        self.seen.append(seen)
        return self.answer(seen)

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(seen.body) for seen in self.seen]


def valid(seen: Seen, key: bytes) -> bool:
    """As a receiver checks it, by the words of standardwebhooks.com."""
    headers = {name.lower(): value for name, value in seen.headers.items()}
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), seen.body])
    version, _, given = headers["webhook-signature"].partition(",")
    return version == "v1" and hmac.digest(key, signed, hashlib.sha256) == b64decode(given)
