"""A controller's server whose source takes webhooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitsync.webhooks.hosts import WebhookOptions
from tests.unit.deliveries import SECRET, SIGNING_TOKEN, Delivery
from tests.unit.serving import Answer, Served, serve

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Hooked:
    """A server whose source takes webhooks."""

    served: Served
    secret: Path
    looked: list[str | None] = field(default_factory=list)

    def send(self, delivery: Delivery, source: str = "dags") -> Answer:
        return self.served.ask("POST", f"/v1/webhooks/{source}", delivery.headers, delivery.body)


def hooked(directory: Path, **surface: Any) -> Hooked:
    secret, signing = directory / "secret", directory / "signing"
    secret.write_bytes(SECRET + b"\n")
    signing.write_bytes(SIGNING_TOKEN)
    options = WebhookOptions(secret_files=(directory / "missing", secret, signing))
    looked: list[str | None] = []
    served = serve(directory, **{"webhooks": {"dags": options}, "look": looked.append, **surface})
    return Hooked(served, secret, looked)
