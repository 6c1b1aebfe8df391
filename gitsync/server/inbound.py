"""Receives webhooks of Git hosts. A webhook's only effect is that a source looks at its remote sooner."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from typing import TYPE_CHECKING

from aiohttp import web

from gitsync import metrics
from gitsync.errors import SecretUnreadable
from gitsync.mounted import read
from gitsync.server import bodies
from gitsync.server.limits import Bucket, Seen
from gitsync.webhooks import hosts as webhooks
from gitsync.webhooks.hosts import BadPayload, Ignored

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitsync.server.surface import Surface
    from gitsync.webhooks.host import Push
    from gitsync.webhooks.hosts import WebhookOptions

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Bodies that are read at the same time. With the limit on each body, this bounds the memory that strangers can use."""
BURST, PER_SECOND = 20, 0.5
"""Looks that webhooks of one source may cause."""
REMEMBERED = 1000
"""Deliveries that each source remembers, to ignore repetitions."""


class Inbound:
    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self._desks = {source: _Desk(source, surface, options) for source, options in surface.webhooks.items()}
        self._reading = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/webhooks/{source}", self._receive)]

    async def _receive(self, request: web.Request) -> web.Response:
        source = request.match_info["source"]
        desk = self._desks.get(source)
        if desk is None:
            raise web.HTTPNotFound(text=f"no source {source!r} takes webhooks; see `webhook` in the configuration\n")
        try:
            return desk.answer(_headers(request), await self._body(request))
        except web.HTTPException as refusal:
            desk.count(str(refusal.status))
            raise

    async def _body(self, request: web.Request) -> bytes:
        if not webhooks.claims(_headers(request)):
            raise web.HTTPUnauthorized(text="no signature or token of a known Git host; set a secret on the webhook\n")
        if self._reading >= AT_ONCE:
            raise _later(1)
        self._reading += 1
        try:
            return await bodies.read(request)
        finally:
            self._reading -= 1


class _Desk:
    """Answers the webhooks of one source."""

    def __init__(self, source: str, surface: Surface, options: WebhookOptions) -> None:
        self._source = source
        self._ref = surface.refs[source]
        self._look = surface.look
        self._options = options
        self._bucket = Bucket(burst=BURST, per_second=PER_SECOND)
        self._complaints = Bucket(burst=5, per_second=1 / 60)
        self._seen = Seen(REMEMBERED)

    def answer(self, headers: Mapping[str, str], body: bytes) -> web.Response:
        """Answer a webhook. Raises the HTTP answers 400, 401 and 429."""
        self._authenticate(headers, body)
        # Some hosts do not sign the delivery's name. A replay under another name is limited by the bucket.
        name = webhooks.delivery(headers) or hashlib.sha256(body).hexdigest()
        if name in self._seen:
            return self._ignored("this delivery has been received before")
        try:
            said = webhooks.parse(headers, body)
        except BadPayload as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        answer = self._ignored(said.why) if isinstance(said, Ignored) else self._pushed(said)
        self._seen.add(name)
        return answer

    def _authenticate(self, headers: Mapping[str, str], body: bytes) -> None:
        allowed = webhooks.provider(headers) in self._options.providers
        if allowed and webhooks.authentic(headers, body, tuple(map(_secret, self._options.secret_files))):
            return
        if self._complaints.wait(time.monotonic()) == 0:
            log.warning("webhook.refused", extra={"source": self._source, "provider": webhooks.provider(headers)})
        raise web.HTTPUnauthorized(text="no configured secret has signed this webhook\n")

    def _pushed(self, push: Push) -> web.Response:
        refs = ", ".join(sorted(push.moved)[:3])[:200]
        if not push.concerns(self._ref):
            return self._ignored(f"a push to {refs} of {push.repository[:200]}; this source follows {self._ref}")
        if wait := self._bucket.wait(time.monotonic()):
            raise _later(math.ceil(wait))
        self.count("looked")
        fields = {"source": self._source, "provider": push.provider, "repository": push.repository, "refs": refs}
        log.info("webhook.received", extra={**fields, "delivery": push.delivery})
        self._look(self._source)
        return web.json_response({"looking": True}, status=202)

    def _ignored(self, why: str) -> web.Response:
        self.count("ignored")
        return web.json_response({"ignored": why})

    def count(self, outcome: str) -> None:
        metrics.WEBHOOKS.labels(self._source, outcome).inc()


def _headers(request: web.Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _secret(file: Path) -> bytes:
    """The secret in ``file``. An unreadable file gives an empty one, which matches nothing; another file may match."""
    try:
        return read(file, "webhook secret").strip().encode()
    except SecretUnreadable as error:
        log.warning("webhook.secret.unreadable", extra={"file": str(file), "error": str(error)})
        return b""


def _later(seconds: int) -> web.HTTPTooManyRequests:
    return web.HTTPTooManyRequests(
        text="too many webhooks; the next poll finds the push anyway\n", headers={"Retry-After": str(seconds)}
    )
