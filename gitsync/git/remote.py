"""Where to fetch from, and what its refusals mean."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError, RemoteError, VolumeFull
from gitsync.git.command import CommandFailed, last_line
from gitsync.log import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

_FAILURES: tuple[tuple[str, str, str], ...] = (
    ("couldn't find remote ref", "RefNotFound", "ref {ref!r} does not exist in {url}; push it or correct `ref`"),
    ("not our ref", "RefNotFound", "revision {ref!r} does not exist in {url}; push it or correct `ref`"),
    ("unadvertised object", "RevisionNotOffered", "no branch of {url} has {ref!r}; push it"),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "HostKeyChanged", "{url} shows another host key than known_hosts has"),
    ("Host key verification failed", "HostKeyUnknown", "the host key of {url} is not in the known_hosts file; add it"),
    ("Permission denied (", "AuthenticationFailed", "{url} refused the SSH key; register its public half at the host"),
    ("Authentication failed", "AuthenticationFailed", "{url} refused the user name or password; renew them"),
    ("could not read Username", "AuthenticationFailed", "{url} wants a user name and password; configure credentials"),
    ("CONNECT", "ProxyRefused", "the proxy refused to connect to {url}: {detail}; check `proxy` and its password"),
    ("certificate", "CertificateRefused", "{url} shows a certificate that is not trusted; set or renew `ca_file`"),
    ("returned error: 403", "AuthenticationFailed", "{url} forbids access with these credentials; grant read access"),
    ("returned error: 404", "RepositoryNotFound", "no repository at {url}; correct `repo` or grant access to it"),
    ("not found", "RepositoryNotFound", "no repository at {url}; correct `repo` or grant access to it"),
    ("does not appear to be a git repository", "RepositoryNotFound", "no repository at {url}; correct `repo`"),
    ("does not exist", "RepositoryNotFound", "no repository at {url}; correct `repo`"),
    ("Could not resolve host", "HostUnreachable", "the host of {url} has no address; correct `repo` or the DNS"),
    ("unable to access", "HostUnreachable", "{url} cannot be reached: {detail}"),
    ("unable to connect", "HostUnreachable", "{url} cannot be reached: {detail}"),
    ("Connection ", "HostUnreachable", "{url} cannot be reached: {detail}"),
    ("transport ", "ProtocolRefused", "the protocol of {url} is not allowed; use https, ssh, http, git or a path"),
    ("blocked", "ProtocolRefused", "{url} looks like an option of a command; correct the address"),
    ("mismatched algorithms", "ObjectFormat", "{url} has SHA-256 ids; use a SHA-1 repository"),
    ("dubious ownership", "RepositoryForbidden", "{url} belongs to another user; make it ours or serve it over https"),
)  # fmt: skip

_REFUSED = re.compile(r"object [0-9a-f]+: (?P<fault>\w+): (?P<text>.*)")
"""How index-pack and unpack-objects name an object that does not pass `transfer.fsckObjects`."""


@dataclass(frozen=True)
class Remote:
    """Where to fetch from: an address, and what Git needs to be let in."""

    url: str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    config: Mapping[str, str] = field(default_factory=dict, repr=False)


def explained(failure: CommandFailed, url: str, ref: str) -> GitSyncError:
    """Git's words as an error that names the thing and the cure."""
    if failure.volume_full:
        return VolumeFull("the volume is full; make it larger")
    if refused := _REFUSED.search(failure.stderr):
        message = f"{redacted(url)} holds a malformed or hostile object ({refused['fault']}: {refused['text']})"
        return RemoteError("ObjectsRefused", f"{message}; remove it from the history of {ref!r}")
    for words, reason, message in _FAILURES:
        if line := next((line for line in failure.stderr.splitlines() if words in line), None):
            detail = _without_secret(line, url)
            return RemoteError(reason, message.format(url=redacted(url), ref=ref, detail=detail))
    detail = _without_secret(last_line(failure.stderr), url)
    return RemoteError("FetchFailed", f"cannot fetch {ref!r} from {redacted(url)}: {detail}")


def _without_secret(text: str, url: str) -> str:
    return text.strip().replace(url, redacted(url))
