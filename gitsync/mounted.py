"""Reads Secrets from mounted files. Kubernetes may change the files at any time, so they are read at each use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitsync.errors import SecretUnreadable

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, what: str = "credential file") -> str:
    """The current content of ``path``, without a newline at the end. Raises SecretUnreadable.

    ``what`` is the file's name in the error message.
    """
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        detail = error.strerror
    except UnicodeDecodeError:
        detail = "it is not text"
    raise SecretUnreadable(f"cannot read the {what} {path}: {detail}; check the Secret it is mounted from")


def read_line(path: Path, what: str = "credential file") -> str:
    """The password or token in ``path``. Raises SecretUnreadable."""
    text = read(path, what)
    # In Git's credential protocol each line is an instruction, so a second line could inject one.
    if not text or not text.isprintable():
        raise SecretUnreadable(f"the {what} {path} must hold one line; check the Secret it is mounted from")
    return text
