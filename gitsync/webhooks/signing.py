"""Signatures of webhooks as standardwebhooks.com defines them, for notices and for GitLab's webhooks."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode


def signature(secret: bytes, name: str, timestamp: str, body: bytes) -> str:
    """The signature over a delivery's name, time and body, as ``v1,BASE64``.

    ``secret`` is raw bytes, or `whsec_` with base64 after it. Raises ValueError for wrong base64.
    """
    key = b64decode(secret.removeprefix(b"whsec_"), validate=True) if secret.startswith(b"whsec_") else secret
    signed = f"{name}.{timestamp}.".encode(errors="surrogateescape") + body
    return "v1," + b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
