"""Where a repository is, so that addresses which are written differently can be compared."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443, "ssh": 22, "git": 9418}
_SCP_STYLE = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^]]+\]|[^/:]+):(?P<path>.*)", re.DOTALL)


@dataclass(frozen=True)
class Address:
    scheme: str
    host: str
    port: int
    path: str
    """Without dot segments and a ``.git`` at its end, as the server will resolve it."""

    @classmethod
    def parse(cls, url: str) -> Address | None:
        """None for a path on this machine, and for what is no address at all."""
        if "://" not in url:
            match = _SCP_STYLE.fullmatch(url)
            return cls("ssh", match["host"].strip("[]").lower(), 22, _resolved(match["path"])) if match else None
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return None
        if parts.scheme not in _PORTS or not parts.hostname:
            return None
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], _resolved(unquote(parts.path)))

    @property
    def origin(self) -> str:
        """As Git's configuration names a host: ``https://host``, and the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port != _PORTS[self.scheme] else "")

    def is_within(self, prefix: Address) -> bool:
        """Whether ``prefix`` is this address, its host, or a folder above it."""
        below = prefix.path in {"/", self.path} or self.path.startswith(f"{prefix.path}/")
        return self.origin == prefix.origin and below


def _resolved(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}").removesuffix(".git").rstrip("/") or "/"


def without_login(url: str) -> tuple[str, str, str]:
    """An HTTP(S) ``url`` without its user name and password; and both, decoded."""
    parts = urlsplit(url)
    _login, _at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host)), unquote(parts.username or ""), unquote(parts.password or "")
