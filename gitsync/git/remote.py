"""A remote to fetch from, and the translation of Git's error texts into reasons and cures."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError, RemoteError, VolumeFull
from gitsync.log import redacted, without_logins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitsync.git.command import CommandFailed

_FAILURES: tuple[tuple[str, str, str], ...] = (
    (r"couldn't find remote ref", "RefNotFound", "ref {ref!r} does not exist in {url}; push it or correct `ref`"),
    (r"\bnot our ref\b", "RefNotFound", "revision {ref!r} does not exist in {url}; push it or correct `ref`"),
    (r"unadvertised object", "RevisionNotOffered", "no branch of {url} has {ref!r}; push it"),
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED", "HostKeyChanged", "{url} shows another host key than known_hosts has"),
    (r"^Host key verification failed", "HostKeyUnknown",
     "the host key of {url} is not in the known_hosts file; add it"),
    (r"^Unable to negotiate with .*: no matching ", "AlgorithmsRefused",
     "{url} and ssh have no algorithm in common; allow one of the host's in `ssh_options`"),
    (r"Too many authentication failures", "AuthenticationFailed",
     "{url} ended the login after too many keys; configure the one key that it knows"),
    (r"^No user exists for uid ", "UserNameMissing",
     "SSH needs a name for the uid of this process; give --add-user, or run as a uid that has a name"),
    (r"^(\S+: )?Permission denied \(", "AuthenticationFailed",
     "{url} refused the SSH key; register its public half at the host"),
    (r"^fatal: Authentication failed for ", "AuthenticationFailed",
     "{url} refused the user name or password; renew them"),
    (r"could not read Username", "AuthenticationFailed",
     "{url} wants a user name and password; configure credentials"),
    (r"\bCONNECT\b", "ProxyRefused", "the proxy refused to connect to {url}; check `proxy` and its password"),
    (r"unable to access .*certificate", "CertificateRefused",
     "{url} shows a certificate that is not trusted; set or renew `ca_file`"),
    (r"returned error: 403", "AuthenticationFailed",
     "{url} forbids access with these credentials; grant read access"),
    (r"returned error: 404", "RepositoryNotFound", "no repository at {url}; correct `repo` or grant access to it"),
    (r"^(fatal: repository '.*' not found|ERROR: Repository not found)", "RepositoryNotFound",
     "no repository at {url}; correct `repo` or grant access to it"),
    (r"does not appear to be a git repository|^fatal: '.*' does not exist|^fatal: '.*': no such path",
     "RepositoryNotFound", "no repository at {url}; correct `repo`"),
    (r"Could not resolve host", "HostUnreachable", "the host of {url} has no address; correct `repo` or the DNS"),
    (r"bad/illegal format|URL rejected", "RepositoryNotFound",
     "{url} is no valid address; encode the signs of its password, `/` as %2F, or write the password in a file"),
    (r"^fatal: unable to (access|connect)|^ssh: connect to host |^(Connection|kex_exchange_identification: )",
     "HostUnreachable", "{url} cannot be reached"),
    (r"^fatal: transport ", "ProtocolRefused",
     "the protocol of {url} is not allowed; use https, ssh, http, git or a path"),
    (r"^fatal: strange (hostname|pathname|port) .* blocked$", "ProtocolRefused",
     "{url} looks like an option of a command; correct the address"),
    (r"mismatched algorithms", "ObjectFormat", "{url} has SHA-256 ids; use a SHA-1 repository"),
    (r"dubious ownership", "RepositoryForbidden",
     "{url} belongs to another user; make it ours or trust safe.directory"),
)  # fmt: skip
"""A regular expression for a line of Git, ssh or curl; the reason; and the message. The first match counts."""
_ALWAYS = re.compile(
    r"fatal: Could not read from remote repository\.|Please make sure you have the correct access rights"
    r"|and the repository exists\.|Warning: Permanently added .*|@+|\s*"
)
"""Lines that Git and ssh write whatever has happened."""
_LINES, _CHARACTERS = 3, 500
"""The most of Git's, ssh's and the host's own words in a message."""

_PART_OF_AN_ID = re.compile("[0-9a-fA-F]{7,40}")
_REFUSED = re.compile(r"object [0-9a-f]+: (?P<fault>\w+): (?P<text>.*)")
"""The message of index-pack and unpack-objects about an object that fails `transfer.fsckObjects`."""


@dataclass(frozen=True)
class Remote:
    """An address to fetch from, and Git's environment and configuration with the credentials for it."""

    url: str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    config: Mapping[str, str] = field(default_factory=dict, repr=False)


def explained(failure: CommandFailed, url: str, ref: str) -> GitSyncError:
    """Turn Git's error text into an error with a reason and a cure. ``ref`` is for the message."""
    if failure.volume_full:
        return VolumeFull("the volume is full; make it larger")
    if refused := _REFUSED.search(failure.stderr):
        message = f"{redacted(url)} holds a malformed or hostile object ({refused['fault']}: {refused['text']})"
        return RemoteError("ObjectsRefused", f"{message}; remove it from the history of {ref!r}")
    lines = [line.strip() for line in failure.stderr.splitlines() if not _ALWAYS.fullmatch(line)]
    # The host chooses its own words, also those of an error that it has not met.
    ours = [line for line in lines if not line.startswith("remote:")]
    for words, reason, message in _FAILURES:
        if line := next((line for line in ours if re.search(words, line)), None):
            told = message.format(url=redacted(url), ref=ref)
            return RemoteError(reason, f"{told} [{_words(lines, line, url)}]")
    return RemoteError("FetchFailed", f"cannot fetch {ref!r} from {redacted(url)}: {_words(lines, None, url)}")


def no_such_ref(ref: str, url: str) -> RemoteError:
    """The error for a ref that the remote does not list."""
    # The words in brackets are those with which `git fetch` would say it: monitors look for them.
    message = f"ref {ref!r} does not exist in {redacted(url)}; {_cure(ref)} [couldn't find remote ref {ref}]"
    return RemoteError("RefNotFound", message)


def _cure(ref: str) -> str:
    if ref != ref.strip():
        return "remove the space around it"
    if ref.startswith("origin/"):
        return f"write {ref.removeprefix('origin/')!r}, the branch's name at the host"
    if _PART_OF_AN_ID.fullmatch(ref):
        return "if it is a commit, write its full id of 40 small letters and digits; otherwise push it"
    return "push it or correct `ref`"


def _words(lines: list[str], known: str | None, url: str) -> str:
    """The last lines, with the one that is ``known``. Without any, the program said nothing else."""
    last = lines[-_LINES:] or ["it said nothing"]
    shown = last if known is None or known in last else [known, *last[1:]]
    return _without_secret(" | ".join(shown), url)[:_CHARACTERS]


def _without_secret(text: str, url: str) -> str:
    return without_logins(text.strip().replace(url, redacted(url)))
