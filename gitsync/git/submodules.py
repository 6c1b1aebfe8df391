"""Finds the addresses of a revision's submodules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from gitsync.errors import Refused
from gitsync.git.address import Address
from gitsync.git.command import CommandFailed
from gitsync.log import redacted

if TYPE_CHECKING:
    from collections.abc import Collection

    from gitsync.git.repository import Repository

_ORDINARY = re.compile(r"[!-\[\]-~]+")
"""What is visible in ASCII, but no backslash."""
_KEY = re.compile(r"submodule\.(?P<name>.*)\.(?P<field>path|url|update)", re.DOTALL)


class Declared(NamedTuple):
    """What ``.gitmodules`` of one commit says."""

    addresses: dict[str, str]
    """The address of each submodule, by path."""
    left_out: set[str]
    """The paths of submodules with ``update = none``, which Git does not check out."""


def declared(repository: Repository, commit: str, url: str) -> Declared:
    """Read ``.gitmodules`` of ``commit``. ``url`` is the repository's address."""
    modules = _modules(repository, commit)
    whole = (module for module in modules if {"path", "url"} <= {*module})
    return Declared(
        addresses={module["path"]: resolved(url, module["url"]) for module in whole},
        left_out={module.get("path", "") for module in modules if module.get("update") == "none"},
    )


def _modules(repository: Repository, commit: str) -> list[dict[str, str]]:
    # A hostile .gitmodules could include a file of this machine.
    command = ("config", "--no-includes", "--blob", f"{commit}:.gitmodules", "-z", "--list")
    try:
        listed = repository.run(*command).decode(errors="replace")
    except CommandFailed:
        return []
    modules: dict[str, dict[str, str]] = {}
    for item in listed.split("\0"):
        key, _, value = item.partition("\n")
        if match := _KEY.fullmatch(key):
            modules.setdefault(match["name"], {})[match["field"]] = value
    return list(modules.values())


def require_within(path: str, url: str, prefixes: Collection[str]) -> None:
    """Refuse the submodule at ``path`` if its address is below none of ``prefixes``; none: it may be anywhere."""
    if not prefixes:
        return
    # Git and this module might read another host out of an address with such letters.
    address = Address.parse(url) if _ORDINARY.fullmatch(url) else None
    allowed = [prefix for each in prefixes if (prefix := Address.parse(each)) is not None]
    if address is None or not any(address.is_within(prefix) for prefix in allowed):
        message = f"submodule {path!r}: {redacted(url)!r} is not within {', '.join(map(redacted, prefixes))}"
        raise Refused("SubmoduleElsewhere", f"{message}; correct .gitmodules, or add it to `submodules_within`")


def resolved(base: str, url: str) -> str:
    """The absolute address of ``url``, which may be relative (``./`` or ``../``) to the address ``base``."""
    if not url.startswith(("./", "../")):
        return url
    parent = base.rstrip("/")
    separator = "/"
    while True:
        if url.startswith("./"):
            url = url[2:]
        elif url.startswith("../"):
            url = url[3:]
            # In ssh's form `host:path`, the colon is the last separator.
            separator = "/" if "/" in parent else ":"
            parent, found, _ = parent.rpartition(separator)
            if not found or parent.endswith(":/"):
                message = f"a submodule's address {url!r} leads above {redacted(base)}; correct .gitmodules"
                raise Refused("SubmoduleUnknown", message)
        else:
            return f"{parent}{separator}{url}".rstrip("/")
