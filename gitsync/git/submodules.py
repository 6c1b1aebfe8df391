"""Which repositories a revision embeds, and where they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitsync.errors import Refused
from gitsync.git.command import CommandFailed
from gitsync.log import redacted

if TYPE_CHECKING:
    from gitsync.git.repository import Repository

_KEY = re.compile(r"submodule\.(?P<name>.*)\.(?P<field>path|url)", re.DOTALL)


def declared(repository: Repository, commit: str, url: str) -> dict[str, str]:
    """Address of each submodule that ``.gitmodules`` of ``commit`` names, by path; ``url`` is the repository's own."""
    # Without --no-includes Git would read any file of this machine that the blob includes.
    command = ("config", "--no-includes", "--blob", f"{commit}:.gitmodules", "-z", "--list")
    try:
        listed = repository.run(*command).decode(errors="replace")
    except CommandFailed:
        return {}
    modules: dict[str, dict[str, str]] = {}
    for item in listed.split("\0"):
        key, _, value = item.partition("\n")
        if match := _KEY.fullmatch(key):
            modules.setdefault(match["name"], {})[match["field"]] = value
    return {module["path"]: resolved(url, module["url"]) for module in modules.values() if len(module) == 2}


def resolved(base: str, url: str) -> str:
    """``url``, which may begin with ``./`` or ``../``, as seen from the repository at ``base``."""
    if not url.startswith(("./", "../")):
        return url
    parent = base.rstrip("/")
    separator = "/"
    while True:
        if url.startswith("./"):
            url = url[2:]
        elif url.startswith("../"):
            url = url[3:]
            # `host:path` of ssh ends at its colon.
            separator = "/" if "/" in parent else ":"
            parent, found, _ = parent.rpartition(separator)
            if not found or parent.endswith(":/"):
                message = f"a submodule's address {url!r} leads above {redacted(base)}; correct .gitmodules"
                raise Refused("SubmoduleUnknown", message)
        else:
            return f"{parent}{separator}{url}".rstrip("/")
