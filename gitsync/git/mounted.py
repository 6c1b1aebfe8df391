"""Secrets from mounted files, which may change at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitsync.errors import RemoteError

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> str:
    """What ``path`` holds now, without the newline that editors add. Raises RemoteError."""
    try:
        return path.read_text().rstrip("\r\n")
    except OSError as error:
        detail = error.strerror
    except UnicodeDecodeError:
        detail = "it is not text"
    message = f"cannot read the credential file {path}: {detail}; check the Secret it is mounted from"
    raise RemoteError("CredentialsUnreadable", message)


def read_line(path: Path) -> str:
    """The password or token in ``path``. Raises RemoteError."""
    text = read(path)
    # Git's credential protocol is lines: a second one would be an instruction to it.
    if not text or not text.isprintable():
        message = f"the credential file {path} must hold one line; check the Secret it is mounted from"
        raise RemoteError("CredentialsUnreadable", message)
    return text
