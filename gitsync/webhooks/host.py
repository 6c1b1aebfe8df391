"""The interface of a Git host's module: how to recognise, verify and read a webhook of that host. No I/O, no clock."""

from __future__ import annotations

import hashlib
import hmac
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING = re.compile("0+")
"""The commit id that stands for a deleted ref."""


@dataclass(frozen=True)
class Push:
    """The refs that a push has moved."""

    repository: str
    moved: Mapping[str, str | None]
    """The new commit of each moved ref, by the full name, such as ``refs/heads/main``; None: the ref is deleted."""
    default_branch: str | None = None
    """The repository's default branch, if the host sends it."""
    provider: str = field(default="", kw_only=True)
    delivery: str | None = field(default=None, compare=False, kw_only=True)

    def concerns(self, ref: str) -> bool:
        """Whether the push may have moved ``ref``, a ref as in a source's configuration."""
        if ref == "HEAD":
            default = self.default_branch
            return default is None or f"refs/heads/{default}" in self.moved
        return not {ref, f"refs/{ref}", f"refs/heads/{ref}", f"refs/tags/{ref}"}.isdisjoint(self.moved)


class Host(ABC):
    """A Git host. Names of headers are in lower case. If a delivery has several headers of a list, the first counts."""

    name: ClassVar[str]
    """The name in ``providers`` of the configuration."""
    title: ClassVar[str]
    """The name for people."""
    set_up: ClassVar[str]
    """The choices on the host's page for webhooks."""
    events: ClassVar[tuple[str, ...]]
    """Headers with the event's name."""
    deliveries: ClassVar[tuple[str, ...]]
    """Headers with the delivery's id. A repetition has the same id."""
    proofs: ClassVar[tuple[str, ...]]
    """Headers with a signature or a token."""
    pushes: ClassVar[frozenset[str]] = frozenset({"push"})
    """Names of the events that move refs."""
    pings: ClassVar[frozenset[str]] = frozenset({"ping"})
    """Names of the events that only test the webhook, as in the header."""

    @abstractmethod
    def read(self, payload: dict[str, Any]) -> Push:
        """Read the body of a push. Raises KeyError, TypeError or AttributeError if the body has another form."""

    def sent(self, headers: Mapping[str, str]) -> bool:
        """Whether a delivery with these headers is from this host."""
        return first(headers, self.events) is not None

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
        """Whether ``secret`` has signed the body. The comparison takes constant time.

        Most hosts send the body's HMAC-SHA256 in hexadecimal digits, some with ``sha256=`` before them.
        """
        given = (first(headers, self.proofs) or "").removeprefix("sha256=")
        return same(given, hmac.new(secret, body, hashlib.sha256).hexdigest())

    def event(self, headers: Mapping[str, str], payload: Mapping[str, Any]) -> str:  # noqa: ARG002 - GitLab's needs it
        """The event's name."""
        return first(headers, self.events) or ""


def same(given: str, wanted: str) -> bool:
    """Whether two strings are equal, compared in constant time."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), wanted.encode(errors="surrogateescape"))


def first(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """The first of the headers ``names`` that is not empty, or None."""
    return next((headers[name] for name in names if headers.get(name)), None)


def commit(value: object) -> str | None:
    """A commit id from a body; None for the id that stands for a deleted ref. Raises TypeError."""
    found = text(value)
    return None if _NOTHING.fullmatch(found) else found


def text_or_none(value: object) -> str | None:
    """A string from a body, or None for null. Raises TypeError."""
    return None if value is None else text(value)


def text_or_empty(value: object) -> str:
    """A string from a body; empty for whatever is none."""
    return value if isinstance(value, str) else ""


def text(value: object) -> str:
    """A string from a body. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"a string is wanted, not {type(value).__name__}")
    return value
