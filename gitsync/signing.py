"""Signatures of webhooks as standardwebhooks.com describes them: of those that we send, and of GitLab's."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode


def signature(secret: bytes, name: str, timestamp: str, body: bytes) -> str:
    """``v1,…``; what is signed is the delivery's name, its time and its body.

    ``secret``: bytes as they are, or `whsec_` and the bytes as base64. Raises ValueError when that is not base64.
    """
    key = b64decode(secret.removeprefix(b"whsec_"), validate=True) if secret.startswith(b"whsec_") else secret
    signed = f"{name}.{timestamp}.".encode(errors="surrogateescape") + body
    return "v1," + b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
