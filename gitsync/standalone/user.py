"""A name for the user that a cluster made up: the SSH client refuses to run for a uid without one."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from gitsync.errors import SettingsError

PASSWD = Path("/etc/passwd")


def add_user(passwd: Path = PASSWD) -> None:
    """Add a line for this process's uid unless it has one. Raises SettingsError when the file cannot be written."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        home = os.environ.get("HOME") or str(Path.cwd())
        line = f"git-sync:x:{os.getuid()}:{os.getgid()}::{home}:/sbin/nologin\n"
        try:
            with passwd.open("a") as file:
                file.write(line)
        except OSError as error:
            message = f"--add-user cannot write {passwd}: {error.strerror}; make it writable in the image"
            raise SettingsError(message) from error
