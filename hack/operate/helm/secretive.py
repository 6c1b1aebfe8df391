"""Tells values that may be secrets, by their names and by what they look like. A doubt counts as a secret."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = re.compile(
    r"PASSW|PASSPHRASE|PWD|SECRET|TOKEN|PRIVATE|CREDENTIAL|WEBHOOK|FERNET|API_?KEY|ACCESS_?KEY|ACCOUNT_?KEY|_KEY$|^KEY$"
    r"|(?:^|[_.-])(?:PASS|DSN|SAS|PAT)(?:$|[_.-])|AIRFLOW_(?:CONN|VAR)_|SQL_ALCHEMY_CONN|CONNECTION_STRING",
    re.IGNORECASE,
)
LOOKS = (
    re.compile(r"://[^/\s@]*:[^/\s@]+@|://[^/\s@:]{16,}@"),  # a user with a password, or a token for a user
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    re.compile(
        r"""(?:pass(?:word|wd)?|pwd|secret\w*|token\w*|api_?key|account_?key|shared_?access_?key|access_?key|sig)"""
        r"""["']?\s*[=:]\s*["']?[^\s"',;&]""",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:A[KS]IA[0-9A-Z]{16}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{8,}"
        r"|sk[-_][\w-]{16,}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}|hvs\.\w{16,}|SG\.[\w-]{16,}|npm_\w{30,})"
    ),
    re.compile(
        r"hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks|webhook\.office\.com|://\S*/(?:web)?hooks?/",
        re.IGNORECASE,
    ),
)
"""Forms of secrets: URLs, keys, ``name=value`` in texts, tokens of well-known services, addresses that are secrets."""
RANDOM = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
BITS = 3.8
"""Bits for each letter, at which a word of letters of both cases and digits counts as random."""


def named(name: str, value: Any) -> bool:
    """If a setting may be a secret. A switch never is one."""
    return (bool(NAMES.search(name)) and str(value).lower() not in ("true", "false", "")) or looks(value)


def looks(value: Any) -> bool:
    """If a value, or a part of it, has the form of a secret."""
    return any(_one(each) for each in texts(value))


def texts(value: Any) -> Iterator[str]:
    """All texts in a value, keys of mappings left out."""
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif value is not None:
        yield str(value)


def _one(text: str) -> bool:
    return any(form.search(text) for form in LOOKS) or _random(text.strip())


def _random(word: str) -> bool:
    """A word without a space, such as a Fernet key. Paths and names of things have no such mixture."""
    mixed = all(re.search(form, word) for form in ("[a-z]", "[A-Z]", "[0-9]"))
    if not mixed or not RANDOM.fullmatch(word) or word.startswith("/"):
        return False
    shares = [number / len(word) for number in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares) > BITS


def without_login(url: str) -> tuple[str, str | None]:
    """An address without user and password, and the user. ``git@host:path`` and ``ssh://`` keep theirs."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return url, None
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), parts.username
