"""Calls an operator's webhook with a notice, with a signature by which the receiver knows that it is gitsync's."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, ClassVar

from gitsync.errors import SettingsError
from gitsync.mounted import read
from gitsync.notify.notice import Kind
from gitsync.notify.post import host, post, refused, require_http
from gitsync.webhooks.signing import signature

if TYPE_CHECKING:
    from gitsync.notify.notice import Notice


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Addresses that are called with the notice as JSON; the header `Gitsync-Hash` has its revision.

    With a secret the request has the headers `webhook-id` (the same when it is sent again), `webhook-timestamp`
    (seconds since 1970, of this attempt) and `webhook-signature`, as standardwebhooks.com describes them. The signature
    covers all three of id, time and body: a receiver rejects replays by refusing old times and ids that it has seen.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    label: ClassVar = "webhook"

    url: str = field(repr=False)
    """``http://…`` or ``https://…``."""
    method: str = "POST"
    """The HTTP method."""
    timeout: float = 10.0
    """Seconds to wait for the receiver to connect, and again for each part of its answer."""
    success_status: int | None = None
    """The one status that is a success; 0 is any status. Without it, 200 to 299 are."""
    secret_file: Path | None = None
    """A file with the key that signs the call: `whsec_` and base64, or any bytes. It is read at each call. The headers
    are `webhook-id`, `webhook-timestamp` and `webhook-signature`, as standardwebhooks.com describes them."""
    ca_file: Path | None = None
    """A file with the certificate authorities that HTTPS trusts, in place of the machine's own."""
    kinds: tuple[Kind, ...] = (Kind.PUBLISHED, Kind.DEFERRED, Kind.REFUSED, Kind.SUPERSEDED, Kind.UNDONE)
    """The [kinds of notice](#notices) that are sent."""

    def __post_init__(self) -> None:
        require_http(self.url, "url")
        if not self.method.isalpha():
            raise ValueError("method must be a word such as POST")
        if self.timeout <= 0:
            raise ValueError("timeout must be more than 0 seconds")

    def wants(self, notice: Notice) -> bool:
        return notice.kind in self.kinds

    def send(self, notice: Notice) -> None:
        body = json.dumps(notice.as_json()).encode()
        headers = {"Content-Type": "application/json", "Gitsync-Hash": notice.revision or ""}
        if self.secret_file is not None:
            headers |= self._signed(self.secret_file, notice.name, body)
        answer = post(
            self.url, body, headers, method=self.method.upper(), timeout=self.timeout, ca_file=self.ca_file
        )  # fmt: skip
        if not self._succeeded(answer.status):
            raise refused(self.url, answer, f"not {self.success_status or '2xx'}: see the receiver's log")

    def _signed(self, secret_file: Path, name: str, body: bytes) -> dict[str, str]:
        secret, at = read(secret_file).strip().encode(), str(int(time.time()))
        try:
            signed = signature(secret, name, at, body)
        except ValueError:
            signed = ""
        if not secret or not signed:
            raise SettingsError(f"{secret_file} has no key for {host(self.url)}; write any text, or whsec_ and base64")
        return {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": signed}

    def _succeeded(self, status: int) -> bool:
        if self.success_status is None:
            return 200 <= status < 300
        return self.success_status in (0, status)
