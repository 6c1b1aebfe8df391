"""What Git needs to be let in, from files that are read anew at every fetch."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from gitsync.errors import RemoteError
from gitsync.git.remote import Remote

# The password travels in the helper's environment, never in an argument that `ps` would show.
_HELPER = (
    '!f() { test "$1" = get || exit 0;'
    ' printf "username=%s\\npassword=%s\\n" "$GITSYNC_USERNAME" "$GITSYNC_PASSWORD"; }; f'
)


@dataclass(frozen=True)
class Credentials:
    username: str = "git"
    password_file: Path | None = None
    """A password or token for HTTPS."""
    ssh_key_file: Path | None = None
    known_hosts_file: Path | None = None
    """The host keys that SSH accepts; without it no SSH host is trusted."""

    def remote(self, url: str) -> Remote:
        """``url`` with what is needed to fetch from it now. Raises RemoteError when a file cannot be read."""
        if url.startswith(("http://", "https://")):
            return self._http(url)
        if url.startswith("ssh://") or (":" in url and "://" not in url and not url.startswith("/")):
            return Remote(url, env={"GIT_SSH_COMMAND": self._ssh_command()})
        return Remote(url)

    def _http(self, url: str) -> Remote:
        if self.password_file is None or not self.password_file.exists():
            # The Secret may be optional: a public repository needs none, a private one will say so.
            return Remote(url)
        secret = {"GITSYNC_USERNAME": self.username, "GITSYNC_PASSWORD": _read(self.password_file)}
        return Remote(url, env=secret, config={"credential.helper": _HELPER})

    def _ssh_command(self) -> str:
        known_hosts = self.known_hosts_file or Path("/dev/null")
        words = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        words += ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "GlobalKnownHostsFile=/dev/null"]
        if self.ssh_key_file is not None:
            _read(self.ssh_key_file)
            words += ["-o", "IdentitiesOnly=yes", "-i", str(self.ssh_key_file)]
        return shlex.join(words)


def _read(path: Path) -> str:
    try:
        return path.read_text().rstrip("\n")
    except OSError as error:
        message = f"cannot read the credential file {path}: {error.strerror}; check the Secret it is mounted from"
        raise RemoteError("CredentialsUnreadable", message) from error
