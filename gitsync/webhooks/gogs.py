"""Gogs: gogs.io/advancing/webhooks."""

from __future__ import annotations

from gitsync.webhooks.github import GitHub


class Gogs(GitHub):
    """Gogs sends GitHub's body with headers of its own."""

    name = "gogs"
    title = "Gogs"
    set_up = "the format Gogs, a secret, pushes"
    events = ("x-gogs-event",)
    deliveries = ("x-gogs-delivery",)
    proofs = ("x-gogs-signature",)
