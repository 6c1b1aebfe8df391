"""Gitea, docs.gitea.com/usage/repository/webhooks, and Forgejo, forgejo.org/docs/latest/user/webhooks."""

from __future__ import annotations

from gitsync.webhooks.github import GitHub


class Gitea(GitHub):
    """Gitea and Forgejo. Both send GitHub's headers and body, and headers of their own."""

    name = "gitea"
    title = "Gitea, Forgejo"
    set_up = "a secret, pushes"
    events = ("x-gitea-event", "x-forgejo-event")
    deliveries = ("x-gitea-delivery", "x-forgejo-delivery")
    proofs = ("x-gitea-signature", "x-forgejo-signature", "x-hub-signature-256")
