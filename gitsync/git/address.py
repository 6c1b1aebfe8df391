"""Addresses of repositories, in a form in which different spellings of one address are equal."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

_ALIASES = {"git+ssh": "ssh", "ssh+git": "ssh"}
"""Other names of a scheme that Git takes."""
_PORTS = {"http": 80, "https": 443, "ssh": 22, "git": 9418}
_SCP_STYLE = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^]]+\]|[^/:]+):(?P<path>.*)", re.DOTALL)


@dataclass(frozen=True)
class Address:
    scheme: str
    host: str
    port: int
    path: str
    """The path without dot segments and without ``.git`` at its end, as servers resolve it."""

    @classmethod
    def parse(cls, url: str) -> Address | None:
        """Parse an address. None for a path on this machine, and for text that is no address."""
        if "://" not in url:
            match = _SCP_STYLE.fullmatch(url)
            return cls("ssh", match["host"].strip("[]").lower(), 22, _resolved(match["path"])) if match else None
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return None
        scheme = _ALIASES.get(parts.scheme, parts.scheme)
        if scheme not in _PORTS or not parts.hostname:
            return None
        return cls(scheme, parts.hostname, port or _PORTS[scheme], _resolved(unquote(parts.path)))

    @property
    def origin(self) -> str:
        """The host as Git's configuration names it: ``https://host``, with the port if it is not the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port != _PORTS[self.scheme] else "")

    def is_within(self, prefix: Address) -> bool:
        """Whether ``prefix`` is this address, the whole host, or a folder above this address."""
        below = prefix.path in {"/", self.path} or self.path.startswith(f"{prefix.path}/")
        return self.origin == prefix.origin and below


def _resolved(path: str) -> str:
    # Some servers take `..;name` for `..`, too.
    plain = re.sub(r"(?<=/)(\.\.?);[^/]*", r"\1", f"/{path.lstrip('/')}")
    return posixpath.normpath(plain).removesuffix(".git").rstrip("/") or "/"


def without_login(url: str) -> tuple[str, str, str]:
    """Split an HTTP(S) ``url`` into the address without login, the user name and the password, both decoded."""
    parts = urlsplit(url)
    _login, _at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host)), unquote(parts.username or ""), unquote(parts.password or "")
