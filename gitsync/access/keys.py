"""Recognises the common faults of mounted SSH keys, for which ssh has no words that help."""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from typing import TYPE_CHECKING

from gitsync.errors import SecretUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_PUBLIC = re.compile(rb"(ssh-|ecdsa-|sk-ssh-|sk-ecdsa-)\S+ AAAA|-----BEGIN (RSA |SSH2 )?PUBLIC KEY")
_ENCRYPTED = re.compile(rb"^Proc-Type: 4,ENCRYPTED|-----BEGIN ENCRYPTED PRIVATE KEY", re.MULTILINE)
_OPENSSH = re.compile(rb"-----BEGIN OPENSSH PRIVATE KEY-----(.*?)-----END", re.DOTALL)
_MAGIC = b"openssh-key-v1\0"
"""The begin of a key in OpenSSH's format; the name of its cipher follows, with its length before it (PROTOCOL.key)."""
_LARGEST = 64 << 10


def usable(keys: Sequence[Path]) -> list[str]:
    """``keys`` that ssh can use. Raises SecretUnreadable if there are keys, and it can use none of them.

    So a faulty key beside a good one stops nothing; a file that cannot be read does.
    """
    found, faults = [], []
    for key in keys:
        try:
            found.append(check(key))
        except SecretUnreadable as error:
            if not key.exists():
                raise
            faults.append(str(error))
    if faults and not found:
        raise SecretUnreadable("; ".join(faults))
    return found


def check(path: Path) -> str:
    """``path`` as ssh takes it. Raises SecretUnreadable if it is no private key that ssh can use alone."""
    try:
        with path.open("rb") as file:
            content, mounted = file.read(_LARGEST), os.fstat(file.fileno())
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}; check the Secret it is mounted from") from None
    if why := _fault(content) or _exposed(mounted):
        raise _unusable(path, why)
    return str(path)


def _unusable(path: Path, why: str) -> SecretUnreadable:
    return SecretUnreadable(f"the SSH key {path} {why}")


def _strict(content: bytes) -> bool:
    """Whether the key is in OpenSSH's format, of which ssh reads each line exactly. In PEM it takes any line ends."""
    return _OPENSSH.search(content) is not None


_FAULTS: tuple[tuple[Callable[[bytes], object], str], ...] = (
    (lambda content: not content.strip(), "is empty; put the private key into the Secret"),
    (_PUBLIC.match, "is the public half; put the private key into the Secret, the file without `.pub`"),
    (lambda content: b"PRIVATE KEY" not in content, "is no private key; one begins with -----BEGIN … PRIVATE KEY-----"),
    (lambda content: _strict(content) and b"\r" in content, r"has the line ends of Windows; remove them: tr -d '\r'"),
    (lambda content: _strict(content) and not content.endswith(b"\n"),
     "has no newline at its end; add one, or use kubectl's --from-file"),
    (lambda content: _ENCRYPTED.search(content) or _cipher(content) not in (b"", b"none"),
     "has a passphrase, which nobody can type; remove it: ssh-keygen -p -N ''"),
)  # fmt: skip


def _fault(content: bytes) -> str | None:
    return next((why for holds, why in _FAULTS if holds(content)), None)


def _cipher(content: bytes) -> bytes:
    """The cipher of a key in OpenSSH's format; empty for other formats."""
    if (found := _OPENSSH.search(content)) is None:
        return b""
    try:
        key = base64.b64decode(b"".join(found[1].split()), validate=True)
    except binascii.Error:
        return b""
    length = int.from_bytes(key[len(_MAGIC) : len(_MAGIC) + 4])
    start = len(_MAGIC) + 4
    return key[start : start + length] if key.startswith(_MAGIC) else b""


def _exposed(mounted: os.stat_result) -> str | None:
    """ssh uses no key of its own user that others may read. A key of root that the group may read is fine."""
    if mounted.st_uid == os.getuid() and mounted.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = f"{stat.S_IMODE(mounted.st_mode):04o}"
        return f"has the mode {mode}, which ssh does not accept; mount it with defaultMode: 0400, or chmod 0400"
    return None
