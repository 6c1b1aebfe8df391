"""User names, passwords, tokens and keys, and for which addresses they are."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003
from typing import ClassVar

from gitsync.git.address import Address
from gitsync.git.askpass import Askpass  # noqa: TC001
from gitsync.git.github_app import GitHubApp  # noqa: TC001
from gitsync.git.mounted import read_line


@dataclass(frozen=True, kw_only=True)
class Access:
    """What one host, or one repository on it, wants to see."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    username: str = ""
    """For HTTPS; else the one in the address, else ``git``."""
    password: str = field(default="", repr=False)
    """Better in a file, which may change."""
    password_file: Path | None = None
    """A password or token."""
    askpass: Askpass | None = None
    """In place of a password: ask a service at each fetch."""
    github_app: GitHubApp | None = None
    """In place of a password: be a GitHub App."""
    ssh_key_files: tuple[Path, ...] = ()
    """Private keys, offered in this order."""

    def __post_init__(self) -> None:
        given = [name for name in ("password", "password_file", "askpass", "github_app") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; keep one")

    def login(self, username: str, *, ca_file: Path | None, proxy: str | None) -> tuple[str, str] | None:
        """User name (``username`` where none is configured) and password for HTTPS, as they are now.

        None when there is nothing to log in with. Raises RemoteError.
        """
        username = self.username or username or "git"
        if self.askpass is not None:
            return self.askpass.login(ca_file=ca_file)
        if self.github_app is not None:
            return "x-access-token", self.github_app.token(ca_file=ca_file, proxy=proxy)
        if self.password:
            return username, self.password
        if self.password_file is not None and self.password_file.exists():
            return username, read_line(self.password_file)
        # The Secret may be optional: a public repository needs none, a private one will say so.
        return None

    def mounted(self) -> Iterator[Path]:
        """The files that it is read from."""
        yield from self.ssh_key_files
        if self.password_file is not None:
            yield self.password_file
        if self.github_app is not None and self.github_app.private_key_file is not None:
            yield self.github_app.private_key_file


@dataclass(frozen=True, kw_only=True)
class UrlAccess(Access):
    """Access to everything below one address; of several that match, the longest counts."""

    url: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if Address.parse(self.url) is None:
            raise ValueError(f"{self.url!r} is no address; write https://HOST/PATH or ssh://HOST/PATH")

    @property
    def address(self) -> Address:
        address = Address.parse(self.url)
        assert address is not None  # noqa: S101 - checked above
        return address
