"""Checks the signature of a revision, with `git verify-commit` and `git verify-tag`."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - pydantic resolves the annotation
from typing import TYPE_CHECKING, Any, ClassVar

from gitsync.errors import Refused, RemoteError
from gitsync.git.command import CommandFailed, last_line
from gitsync.git.mirror import TAGGED
from gitsync.git.repository import Repository
from gitsync.revision import REVISION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitsync.git.mirror import Mirror


class SignatureMode(StrEnum):
    """What must be signed."""

    OFF = "off"
    COMMIT = "commit"
    TAG = "tag"
    """The annotated tag that ``ref`` names."""
    ANY = "any"
    """The commit or the tag."""


TIMEOUT = 60.0
"""Seconds that gpg may take to read a keyring."""

# The status lines of gpg (https://github.com/gpg/gnupg/blob/master/doc/DETAILS), and the words of ssh-keygen and Git.
# They only serve to name the fault. The command's exit status decides.
_UNSIGNED = "is not signed; sign it, or allow that by the signatures' `mode`"
_VERDICTS = (
    (" REVKEYSIG ", "SignerRevoked", "is signed with the revoked key {key}; sign it with another"),
    (
        " EXPKEYSIG ",
        "SignerExpired",
        "is signed with the expired key {key}; renew it in the keyring or sign with another",
    ),
    (" EXPSIG ", "SignatureExpired", "has a signature by {key} that has expired; sign it anew"),
    (" BADSIG ", "SignatureBad", "was changed after {key} had signed it; find out by whom"),
    (
        " NO_PUBKEY ",
        "SignerUnknown",
        "is signed with {key}, which is not in the keyring; add it or sign with one that is",
    ),
    (
        "key has expired",
        "SignerExpired",
        "is signed with the SSH key {key}, whose time was over; renew its valid-before",
    ),
    ("incorrect signature", "SignatureBad", "was changed after it had been signed; find out by whom"),
    ("No principal matched", "SignerUnknown", "is signed with the SSH key {key}, which is no allowed signer; add it"),
    ("not permitted", "SignerUnknown", "is signed with an SSH key that is not allowed for git; correct its namespaces"),
    ("cannot run", "SignatureUnreadable", "has a signature that this installation cannot check ({line})"),
    (
        "No user exists for uid",
        "SignatureUnreadable",
        "cannot be checked by a uid without a name ({line}); run gitsync as a uid that has one, or give --add-user",
    ),
    ("no signature found", "Unsigned", _UNSIGNED),
)
_KEY = re.compile(r"(?:\w+SIG|NO_PUBKEY) (?P<gpg>[0-9A-F]{16,40})\b|(?P<ssh>SHA256:\S+)")


@dataclass(frozen=True)
class Signatures:
    """Whose signature a revision must have."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    mode: SignatureMode = SignatureMode.OFF
    """What must be signed: the ``commit``, the annotated ``tag`` that `ref` names, ``any`` of the two, or nothing
    (``off``). A tag counts only under the name that was signed."""
    gpg_keyrings: tuple[Path, ...] = ()
    """Files of public keys, armored or binary, read at each check. A signature of an expired key is refused, also
    if it is older than the expiry: renew such a key, or remove it."""
    ssh_allowed_signers: Path | None = None
    """A file as ssh-keygen(1) describes it under ALLOWED SIGNERS. ``valid-before`` and ``namespaces="git"`` count."""

    def __post_init__(self) -> None:
        if self.mode is not SignatureMode.OFF and not self.gpg_keyrings and self.ssh_allowed_signers is None:
            raise ValueError(f"mode {self.mode} needs gpg_keyrings or ssh_allowed_signers: nobody would be trusted")

    def files(self) -> tuple[Path, ...]:
        """All mounted files, which may change at any time."""
        signers = () if self.ssh_allowed_signers is None else (self.ssh_allowed_signers,)
        return (*self.gpg_keyrings, *signers)


def verify(mirror: Mirror, revision: str, ref: str, wanted: Signatures) -> None:
    """Return if a trusted key has signed ``revision``, which was fetched as ``ref``; else raise Refused.

    Keys are read at each call. Raises RemoteError if they cannot be read.
    """
    if wanted.mode is SignatureMode.OFF:
        return
    with tempfile.TemporaryDirectory(prefix="gitsync.gnupg.") as home:
        for keyring in wanted.gpg_keyrings:
            _import(keyring, home)
        repository = Repository(mirror.directory, timeout=mirror.timeout)
        check = _Check(repository, revision, {"GNUPGHOME": home}, _config(wanted.ssh_allowed_signers))
        check.one_of(wanted.mode, ref)


def _import(keyring: Path, home: str) -> None:
    command = ["gpg", "--batch", "--no-tty", "--no-autostart", "--homedir", home, "--import", str(keyring)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RemoteError("KeyringUnreadable", f"cannot run gpg: {error}; install it") from None
    if done.returncode != 0:
        message = f"cannot read public keys from {keyring}: {last_line(done.stderr)}; check what it is mounted from"
        raise RemoteError("KeyringUnreadable", message)


def _config(allowed_signers: Path | None) -> dict[str, str]:
    if allowed_signers is not None and not allowed_signers.is_file():
        message = f"there is no allowed signers file {allowed_signers}; check what it is mounted from"
        raise RemoteError("KeyringUnreadable", message)
    return {
        "gpg.ssh.allowedSignersFile": str(allowed_signers or "/dev/null"),
        "gpg.x509.program": "false",  # X.509 signatures would trust the machine's certificate authorities
    }


@dataclass(frozen=True)
class _Check:
    repository: Repository
    revision: str
    env: Mapping[str, str]
    config: Mapping[str, str]

    def one_of(self, mode: SignatureMode, ref: str) -> None:
        refusals = []
        for kind in (SignatureMode.TAG, SignatureMode.COMMIT) if mode is SignatureMode.ANY else (mode,):
            try:
                return self._tag(ref) if kind == "tag" else self._commit()
            except Refused as refusal:
                refusals.append(refusal)
        raise Refused(refusals[-1].reason, " and ".join(str(refusal) for refusal in refusals))

    def _commit(self) -> None:
        self._ask("verify-commit", self.revision, f"commit {self.revision[:12]}")

    def _tag(self, ref: str) -> None:
        tag = self._tag_object()
        if tag is None:
            message = f"{ref!r} at {self.revision[:12]} is no annotated tag; make a signed one with `git tag -s`"
            raise Refused("Unsigned", message)
        self._require_name(tag, ref)
        self._ask("verify-tag", tag, f"tag {ref!r}")

    def _tag_object(self) -> str | None:
        """The id of the annotated tag by which the revision was fetched, or None."""
        name = f"{TAGGED}{self.revision}"
        if self.repository.peel(name) != self.revision:
            return None
        return self.repository.run("rev-parse", "--verify", name).decode().strip()

    def _require_name(self, tag: str, ref: str) -> None:
        """Raise Refused if the tag was signed under another name: nobody may pass off one version as another."""
        header = self.repository.run("cat-file", "tag", tag).decode(errors="replace").partition("\n\n")[0]
        name = next((line.removeprefix("tag ") for line in header.splitlines() if line.startswith("tag ")), "")
        if not REVISION.fullmatch(ref) and name != ref.removeprefix("refs/").removeprefix("tags/"):
            raise Refused(
                "TagRenamed", f"tag {ref!r} was signed as {name!r}; tag the revision with the name it is to have"
            )

    def _ask(self, command: str, oid: str, name: str) -> None:
        try:
            self.repository.run(command, "--raw", oid, env=self.env, config=self.config)
        except CommandFailed as failure:
            raise _refusal(failure.stderr, name) from None


def _refusal(stderr: str, name: str) -> Refused:
    key = next((match["gpg"] or match["ssh"] for match in _KEY.finditer(stderr)), "")
    for words, reason, message in _VERDICTS:
        if line := next((line for line in stderr.splitlines() if words in line), None):
            return Refused(reason, f"{name} {message.format(key=key, line=line)}")
    if stderr.strip():
        return Refused("SignatureUnreadable", f"the signature of {name} cannot be checked ({last_line(stderr)})")
    return Refused("Unsigned", f"{name} {_UNSIGNED}")
