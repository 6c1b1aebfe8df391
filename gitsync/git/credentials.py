"""What Git needs to be let in, from files that are read anew at every fetch."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003

from gitsync.git.access import Access, UrlAccess
from gitsync.git.address import Address, without_login
from gitsync.git.command import SAFE_CONFIG
from gitsync.git.mounted import read
from gitsync.git.remote import Remote

# The password travels in the helper's environment, never in an argument that `ps` would show.
_HELPER = (
    '!f() { test "$1" = get || exit 0;'
    ' printf "username=%s\\npassword=%s\\n" "$GITSYNC_USERNAME" "$GITSYNC_PASSWORD"; }; f'
)

# What is allowed is listed, because no list of the keys that start a program or read another file stays complete.
_CONFIGURABLE = re.compile(
    r"(checkout|fetch|fsck|gc|http|index|pack|transfer)\..+|core\.(bigfilethreshold|compression)"
)


@dataclass(frozen=True, kw_only=True)
class Credentials(Access):
    """How to be let in by the source's own host and, with ``urls``, by others; and the way through the network."""

    urls: tuple[UrlAccess, ...] = ()
    known_hosts_files: tuple[Path, ...] = ()
    """The host keys that SSH accepts; without them no SSH host is trusted."""
    strict_host_key: bool = True
    """False trusts whoever answers at an SSH host's address."""
    cookie_file: Path | None = None
    """Cookies for HTTPS, in Netscape's format."""
    ca_file: Path | None = None
    """The authorities that HTTPS trusts, in place of the machine's own."""
    proxy: str | None = field(default=None, repr=False)
    """For HTTP(S), ``http://[user:password@]host:port``; None: what the environment says."""
    no_proxy: str | None = None
    """Hosts that are reached directly, separated by commas."""
    config: Mapping[str, str] = field(default_factory=dict)
    """More of Git's configuration, such as ``http.postBuffer``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        protected = {key.lower() for key in SAFE_CONFIG}
        for key in self.config:
            if key.lower() in protected or not _CONFIGURABLE.fullmatch(key.lower()):
                raise ValueError(f"config: {key} may start programs or undo what gitsync relies on; remove it")

    def files(self) -> tuple[Path, ...]:
        """Everything that is mounted and may change."""
        alone = (self.cookie_file, self.ca_file)
        per_url = (path for access in self.urls for path in access.mounted())
        return (*self.mounted(), *per_url, *self.known_hosts_files, *(path for path in alone if path is not None))

    def remote(self, url: str, *, main: str) -> Remote:
        """``url`` with what is needed to fetch from it now. Raises RemoteError when that cannot be had.

        ``main`` is the source's own address; ``url`` may be that of a submodule, which anybody who may push can point
        anywhere. The password that is meant for the source's host is shown to no other.
        """
        address = Address.parse(url)
        if address is None or address.scheme == "git":
            return Remote(url, config=self.config)
        access = self._access(address)
        if address.scheme == "ssh":
            return Remote(url, env={"GIT_SSH_COMMAND": self._ssh_command(access)}, config=self.config)
        return self._http(url, address, access, main)

    def _access(self, address: Address) -> Access:
        matching = [item for item in self.urls if address.is_within(item.address)]
        return max(matching, key=lambda item: len(item.address.path), default=self)

    def _http(self, url: str, address: Address, access: Access, main: str) -> Remote:
        login = self._login(url, access, main)
        env, config = self._network()
        if login is not None:
            # For this host alone: Git would also ask for a host that it is redirected to.
            config[f"credential.{address.origin}.helper"] = _HELPER
            env |= {"GITSYNC_USERNAME": login[0], "GITSYNC_PASSWORD": login[1]}
        return Remote(without_login(url)[0], env=env, config=config)

    def _login(self, url: str, access: Access, main: str) -> tuple[str, str] | None:
        _, username, password = without_login(url)
        if _same_host(url, main):
            _, owner, secret = without_login(main)
            username, password = username or owner, password or secret
        elif access is self:
            access = Access()
        login = access.login(username, ca_file=self.ca_file, proxy=self.proxy)
        return login or ((username, password) if password else None)

    def _network(self) -> tuple[dict[str, str], dict[str, str]]:
        """Environment and configuration of HTTP(S) that are no secret of one host."""
        env, config = {}, dict(self.config)
        if self.proxy is not None:
            config["http.proxy"] = self.proxy
        if self.no_proxy is not None:
            env["no_proxy"] = self.no_proxy
        if self.cookie_file is not None:
            config["http.cookieFile"] = _readable(self.cookie_file)
        if self.ca_file is not None:
            env["GIT_SSL_CAINFO"] = _readable(self.ca_file)  # it would outdo http.sslCAInfo
        return env, config

    def _ssh_command(self, access: Access) -> str:
        words = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "GlobalKnownHostsFile=/dev/null"]
        known = [f'"{_readable(path)}"' for path in self.known_hosts_files] if self.strict_host_key else []
        words += ["-o", f"StrictHostKeyChecking={'yes' if self.strict_host_key else 'no'}"]
        words += ["-o", f"UserKnownHostsFile={' '.join(known) or '/dev/null'}"]
        if access.ssh_key_files:
            words += ["-o", "IdentitiesOnly=yes"]
        for key in access.ssh_key_files:
            words += ["-i", _readable(key)]
        return shlex.join(words)


def _same_host(url: str, main: str) -> bool:
    one, other = Address.parse(url), Address.parse(main)
    return one is not None and other is not None and one.origin == other.origin


def _readable(path: Path) -> str:
    read(path)
    return str(path)
