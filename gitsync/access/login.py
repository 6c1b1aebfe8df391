"""User names, passwords, tokens and keys, each for one address or for all."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import ClassVar

from gitsync.access.askpass import Askpass  # noqa: TC001 - pydantic reads the annotations
from gitsync.access.github_app import GitHubApp  # noqa: TC001 - pydantic reads the annotations
from gitsync.git.address import Address
from gitsync.log import redacted
from gitsync.mounted import read_line


@dataclass(frozen=True, kw_only=True)
class Access:
    """The credentials for one host, or for one repository on it."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    username: str = ""
    """The user name for HTTPS. Without it, the one in the address counts, and without that ``git``."""
    password: str = field(default="", repr=False)
    """The password itself. A file is better: it may change while the controller runs."""
    password_file: Path | None = None
    """A file with a password or token, read at each fetch. If it is missing, no password is shown."""
    askpass: Askpass | None = None
    """In place of a password: a service that is asked for one at each fetch."""
    github_app: GitHubApp | None = None
    """In place of a password: log in as a GitHub App."""
    ssh_key_files: tuple[Path, ...] = ()
    """Private SSH keys, offered in this order."""

    def __post_init__(self) -> None:
        given = [name for name in ("password", "password_file", "askpass", "github_app") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; keep one")

    def login(self, username: str, *, ca_file: Path | None, proxy: str | None) -> tuple[str, str] | None:
        """The current user name and password for HTTPS; None without a password. Raises RemoteError.

        ``username`` counts if no user name is configured.
        """
        username = self.username or username or "git"
        if self.askpass is not None:
            return self.askpass.login(ca_file=ca_file)
        if self.github_app is not None:
            return "x-access-token", self.github_app.token(ca_file=ca_file, proxy=proxy)
        if self.password:
            return username, self.password.rstrip("\r\n")  # as of a file
        if self.password_file is not None and self.password_file.exists():
            return username, read_line(self.password_file)
        # A missing password file is no error, because a public repository needs no password.
        return None

    def mounted(self) -> Iterator[Path]:
        """The mounted files of these credentials."""
        yield from self.ssh_key_files
        if self.password_file is not None:
            yield self.password_file
        if self.github_app is not None and self.github_app.private_key_file is not None:
            yield self.github_app.private_key_file


@dataclass(frozen=True, kw_only=True)
class UrlAccess(Access):
    """Access to everything below one address. If several entries match, the longest address counts."""

    url: str
    """``https://HOST/PATH`` or ``ssh://HOST/PATH``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if Address.parse(self.url) is None:
            raise ValueError(f"{redacted(self.url)!r} is no address; write https://HOST/PATH or ssh://HOST/PATH")

    @property
    def address(self) -> Address:
        address = Address.parse(self.url)
        assert address is not None  # noqa: S101 - checked above
        return address
