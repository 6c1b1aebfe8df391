"""Gives this process's uid a name. Clusters run pods under random uids, and the SSH client needs a user name.

The name goes into `/etc/passwd` where that file is writable, as in git-sync's image. Elsewhere the library nss_wrapper
shows this process's children a copy that has the name. That also works with a read-only root file system.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from gitsync.errors import SettingsError

PASSWD = Path("/etc/passwd")
GROUP = Path("/etc/group")
LIBRARIES = Path("/usr/lib")
_LIBRARY = "libnss_wrapper.so"


def add_user(root: Path, passwd: Path = PASSWD) -> None:
    """Name this process's uid unless it has a name. ``root`` has room for a copy of ``passwd``.

    Raises SettingsError.
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        home = os.environ.get("HOME") or str(Path.cwd())
        line = f"git-sync:x:{os.getuid()}:{os.getgid()}::{home}:/sbin/nologin\n"
        if not _append(passwd, line):
            _wrap(root / ".passwd", passwd.read_text() + line)


def _append(passwd: Path, line: str) -> bool:
    try:
        with passwd.open("a") as file:
            file.write(line)
    except OSError:
        return False
    return True


def _wrap(copy: Path, content: str) -> None:
    """Let every program that this process starts read ``copy`` in place of the file of users."""
    if not _installed():
        cure = "install libnss-wrapper in the image, or let `runAsUser` be a uid that has a name there"
        raise SettingsError(f"--add-user: uid {os.getuid()} has no name, and {PASSWD} is not writable; {cure}")
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(content)
    except OSError as error:
        message = f"--add-user cannot write {copy}: {error.strerror}; check the owner of --root"
        raise SettingsError(message) from error
    preloaded = filter(None, (os.environ.get("LD_PRELOAD"), _LIBRARY))
    os.environ |= {
        "LD_PRELOAD": ":".join(preloaded),
        "NSS_WRAPPER_PASSWD": str(copy),
        "NSS_WRAPPER_GROUP": str(GROUP),
    }


def _installed() -> bool:
    return any(LIBRARIES.glob(_LIBRARY)) or any(LIBRARIES.glob(f"*/{_LIBRARY}"))
