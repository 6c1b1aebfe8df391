"""Makes Git's environment and configuration with the credentials for an address. Files are read at each fetch."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Mapping, Sequence  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING

from gitsync.access import keys
from gitsync.access.login import Access, UrlAccess
from gitsync.errors import RemoteError
from gitsync.git.address import Address, without_login
from gitsync.git.command import SAFE_CONFIG
from gitsync.git.remote import Remote
from gitsync.log import redacted
from gitsync.mounted import read

if TYPE_CHECKING:
    from gitsync.access.askpass import Askpass

log = logging.getLogger(__name__)

# The password is in the helper's environment and in no argument, because `ps` shows arguments.
_HELPER = (
    '!f() { test "$1" = get || exit 0;'
    ' printf "username=%s\\npassword=%s\\n" "$GITSYNC_USERNAME" "$GITSYNC_PASSWORD"; }; f'
)

# Lists of allowed keys. A list of forbidden ones would never be complete: new keys may start programs or read files.
_CONFIGURABLE = re.compile(
    r"(checkout|fetch|fsck|gc|http|index|pack|transfer)\..+|core\.(bigfilethreshold|compression)|protocol\.version"
)
_WITHOUT_EFFECT = re.compile(
    r"(advice|author|branch|color|column|commit|committer|diff|init|log|merge|pull|push|rebase|status|tag|user)\..+"
    r"|core\.(abbrev|autocrlf|eol|filemode|ignorecase|longpaths|quotepath|safecrlf|symlinks)|safe\.directory"
    r"|submodule\.(fetchjobs|recurse|.+\.update)|protocol\.(file|git|http|https|ssh)\.allow|gc\.pruneexpire"
    r"|lfs\..+|maintenance\..+"
)
"""Keys of images and machines that people copy: gitsync writes no commit, and a file with Git's exact bytes."""
_REWRITING = re.compile(r"url\.(?P<to>.+)\.insteadof", re.IGNORECASE)
_JUMP = "proxyjump"
_SSH_OPTIONS = {
    **dict.fromkeys((
        "addressfamily", "ciphers", "connectionattempts", "connecttimeout", "hostkeyalgorithms", "kexalgorithms",
        "macs", "port", "pubkeyacceptedalgorithms", "rekeylimit", "requiredrsasize", "serveralivecountmax",
        "serveraliveinterval",
    ), re.compile(r"[\w+^\-,.@*]+")),
    _JUMP: re.compile(r"(\w[\w.-]*@)?(\w[\w.-]*|\[[0-9A-Fa-f:]+\])(:\d+)?"),
}  # fmt: skip
"""Options of ssh_config(5) that start no program and read no file, each with the form of its value."""
_PROTECTED = frozenset(key.lower() for key in SAFE_CONFIG)


@dataclass(frozen=True, kw_only=True)
class Credentials(Access):
    """Passwords, tokens and keys for the source's own host, those for other hosts, and how to reach them. Files
    are read at each fetch."""

    urls: tuple[UrlAccess, ...] = ()
    """Access to other addresses, such as those of submodules."""
    known_hosts_files: tuple[Path, ...] = ()
    """Files with the host keys that SSH accepts. Without any, no SSH host is trusted."""
    strict_host_key: bool = True
    """``false`` accepts any host key. Whoever answers at the host's address is then trusted."""
    cookie_file: Path | None = None
    """A file with cookies for HTTPS, in Netscape's format."""
    ca_file: Path | None = None
    """A file with the certificate authorities that HTTPS trusts, in place of the machine's own."""
    proxy: str | None = field(default=None, repr=False)
    """The proxy for HTTP and HTTPS, ``http://[user:password@]host:port``. Without it the environment's counts."""
    no_proxy: str | None = None
    """Hosts that are reached directly, separated by commas."""
    config: Mapping[str, str] = field(default_factory=dict)
    """More of Git's configuration, as text: keys of ``checkout``, ``fetch``, ``fsck``, ``gc``, ``http``, ``index``,
    ``pack``, ``transfer``, ``core.compression``, ``core.bigFileThreshold``, ``protocol.version``, and
    ``url.BASE.insteadOf``. Not those that gitsync sets. Harmless keys without an effect, such as ``user.name``, are
    named in the log."""
    ssh_options: Mapping[str, str] = field(default_factory=dict)
    """Options of ssh for algorithms and time limits, such as ``HostKeyAlgorithms: +ssh-rsa`` for an old host.
    ``ProxyJump: user@host:port`` connects through a host, with the same keys and known hosts. Options that start
    programs or read files are refused."""

    def __post_init__(self) -> None:
        super().__post_init__()
        used = {}
        for key, value in self.config.items():
            if _WITHOUT_EFFECT.fullmatch(key.lower()):
                log.warning("config.without-effect", extra={"key": key})
            elif key.lower() in _PROTECTED or not (_CONFIGURABLE.fullmatch(key.lower()) or _rewrites(key)):
                raise ValueError(f"config: {key} may start programs or undo what gitsync relies on; remove it")
            else:
                used[key] = value
        object.__setattr__(self, "config", used)
        for name, value in self.ssh_options.items():
            form = _SSH_OPTIONS.get(name.lower())
            if form is None or not form.fullmatch(value):
                allowed = ", ".join(sorted(_SSH_OPTIONS))
                raise ValueError(f"ssh_options: {name}={value} is none of the allowed: {allowed}")

    def files(self) -> tuple[Path, ...]:
        """All mounted files, which may change at any time."""
        alone = (self.cookie_file, self.ca_file)
        per_url = (path for access in self.urls for path in access.mounted())
        return (*self.mounted(), *per_url, *self.known_hosts_files, *(path for path in alone if path is not None))

    def remote(self, url: str, *, main: str) -> Remote:
        """The remote at ``url``, with the current credentials for it. Raises RemoteError if they cannot be read.

        ``main`` is the source's own address. ``url`` may be a submodule's address, which anybody with push access can
        choose. So the password for the source's host goes to no other host.
        """
        url, main = self._rewritten(url), self._rewritten(main)
        address = Address.parse(url)
        if self.askpass is not None and url == main and url.startswith("file://"):
            return self._file(url, self.askpass)
        if address is None or address.scheme == "git":
            return Remote(url, config=self._config)
        access = self._access(address)
        if address.scheme == "ssh":
            return Remote(url, env={"GIT_SSH_COMMAND": self._ssh_command(access)}, config=self._config)
        return self._http(url, address, access, main)

    def _rewritten(self, url: str) -> str:
        """``url`` after Git's ``insteadOf``, of which the longest counts. So credentials are those for the result."""
        found = [(value, match["to"]) for key, value in self.config.items() if (match := _REWRITING.fullmatch(key))]
        matching = [(old, new) for old, new in found if old and url.startswith(old)]
        old, new = max(matching, key=lambda pair: len(pair[0]), default=("", ""))
        return new + url.removeprefix(old)

    @property
    def _config(self) -> dict[str, str]:
        return {key: value for key, value in self.config.items() if not _REWRITING.fullmatch(key)}

    def _access(self, address: Address) -> Access:
        matching = [item for item in self.urls if address.is_within(item.address)]
        return max(matching, key=lambda item: len(item.address.path), default=self)

    def _http(self, url: str, address: Address, access: Access, main: str) -> Remote:
        login = self._login(url, access, main)
        env, config = self._network()
        if login is not None:
            # For this host only. Without the host in the key, Git would also send the password after a redirect.
            config[f"credential.{address.origin}.helper"] = _HELPER
            env |= {"GITSYNC_USERNAME": login[0], "GITSYNC_PASSWORD": login[1]}
        return Remote(without_login(url)[0], env=env, config=config)

    def _file(self, url: str, askpass: Askpass) -> Remote:
        """A local repository. Git needs no login for it, but a program in Git's place, as of ``--git``, may ask."""
        username, password = askpass.login(ca_file=self.ca_file)
        env = {"GITSYNC_USERNAME": username, "GITSYNC_PASSWORD": password}
        return Remote(url, env=env, config={**self._config, f"credential.{url}.helper": _HELPER})

    def _login(self, url: str, access: Access, main: str) -> tuple[str, str] | None:
        _, username, password = without_login(url)
        if _same_host(url, main):
            _, owner, secret = without_login(main)
            username, password = username or owner, password or secret
        elif access is self:
            access = Access()
        login = access.login(username, ca_file=self.ca_file, proxy=self.proxy)
        return _one_line_each(login or (username, password), url) if login or password else None

    def _network(self) -> tuple[dict[str, str], dict[str, str]]:
        """The environment and configuration for HTTP(S) that all hosts may see."""
        env, config = {}, self._config
        if self.proxy is not None:
            config["http.proxy"] = self.proxy
        if self.no_proxy is not None:
            env["no_proxy"] = self.no_proxy
        if self.cookie_file is not None:
            config["http.cookieFile"] = _readable(self.cookie_file)
        if self.ca_file is not None:
            env["GIT_SSL_CAINFO"] = _readable(self.ca_file)  # it wins over http.sslCAInfo
        return env, config

    def _ssh_command(self, access: Access) -> str:
        words = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "GlobalKnownHostsFile=/dev/null"]
        known = [f'"{_readable(path)}"' for path in self.known_hosts_files] if self.strict_host_key else []
        words += ["-o", f"StrictHostKeyChecking={'yes' if self.strict_host_key else 'no'}"]
        words += ["-o", f"UserKnownHostsFile={' '.join(known) or '/dev/null'}"]
        jumps = [value for name, value in self.ssh_options.items() if name.lower() == _JUMP]
        for name, value in self.ssh_options.items():
            words += ["-o", f"{name}={value}"] if name.lower() != _JUMP else []
        if access.ssh_key_files:
            words += ["-o", "IdentitiesOnly=yes"]
        for key in keys.usable(access.ssh_key_files):
            words += ["-i", key]
        through = ["-o", f"ProxyCommand={_through(jumps[0], words)}"] if jumps else []
        return shlex.join([*words, *through])


def _through(jump: str, words: Sequence[str]) -> str:
    """A ProxyCommand for the host ``jump``. With ssh's own ProxyJump the jump would have none of the options."""
    return f"{shlex.join(words).replace('%', '%%')} -W '[%h]:%p' ssh://{jump}"


def _rewrites(key: str) -> bool:
    """Whether ``key`` is ``url.BASE.insteadOf`` with an address of a host as its base."""
    match = _REWRITING.fullmatch(key)
    if match is None or "::" in match["to"]:  # `ext::` starts a program
        return False
    return Address.parse(match["to"]) is not None


def _one_line_each(login: tuple[str, str], url: str) -> tuple[str, str]:
    """``login``, unless it would be more than two lines of Git's credential protocol. Raises RemoteError.

    A commit chooses a submodule's user name, and a Secret made with `echo` ends with a line break.
    """
    for what, text in zip(("user name", "password"), login, strict=True):
        if not text.isprintable():
            message = f"the {what} for {redacted(url)} has a line break or another control character"
            raise RemoteError("AuthenticationFailed", f"{message}; remove it where the {what} is written")
    return login


def _same_host(url: str, main: str) -> bool:
    one, other = Address.parse(url), Address.parse(main)
    return one is not None and other is not None and one.origin == other.origin


def _readable(path: Path) -> str:
    read(path)
    return str(path)
