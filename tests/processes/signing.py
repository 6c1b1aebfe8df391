"""Keys of GnuPG, commits and tags that are signed with them, and whether a mirror lets these in."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitsync.checks.signatures import SignatureMode, Signatures, verify
from gitsync.errors import Refused
from gitsync.git.remote import Remote

if TYPE_CHECKING:
    from gitsync.git.mirror import Mirror
    from tests.unit.conftest import Upstream

LONG_AGO = "20200101T000000!"


@dataclass(frozen=True)
class Gpg:
    """Keys of authors: ``alice``, ``stranger``, ``revoked``, and ``expired``, whose signatures are from its time."""

    home: Path

    def __call__(self, *arguments: str) -> str:
        command = ["gpg", "--batch", "--homedir", str(self.home), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def make(self, name: str, *options: str, ends: str = "never") -> None:
        self(*options, "--passphrase", "", "--quick-gen-key", f"{name} <{name}@example.org>", "ed25519", "sign", ends)

    def revoke(self, name: str) -> None:
        listed = self("--list-keys", "--with-colons", f"{name}@example.org")
        certificate = self.home / "openpgp-revocs.d" / f"{re.findall('fpr:+([0-9A-F]+)', listed)[0]}.rev"
        certificate.write_text(certificate.read_text().replace(":-----", "-----"))  # the colon guards against accidents
        self("--import", str(certificate))


@dataclass(frozen=True)
class Authors:
    """Commits and tags of the DAG repository, signed with ``key``: a name, or the file of an SSH key."""

    upstream: Upstream
    gpg: Gpg

    def _git(self, key: str | Path | None, *arguments: str) -> None:
        signer = f"{key}@example.org" if isinstance(key, str) else str(key)
        program = str(self.gpg.home / "then") if key == "expired" else "gpg"
        options = {
            "user.name": "DAG author", "user.email": "author@example.org", "user.signingKey": signer,
            "gpg.format": "ssh" if isinstance(key, Path) else "openpgp", "gpg.program": program,
        }  # fmt: skip
        given = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        environment = {**os.environ, "GNUPGHOME": str(self.gpg.home)}
        command = ["git", "-C", str(self.upstream.path), *given, *arguments]
        subprocess.run(command, check=True, capture_output=True, env=environment)

    def commit(self, key: str | Path | None, message: str = "change") -> str:
        sign = ["--gpg-sign"] if key is not None else ["--no-gpg-sign"]
        self._git(key, "commit", "--allow-empty", "--message", message, *sign)
        return self.upstream.repo.head.commit.hexsha

    def tag(self, name: str, key: str | Path | None) -> None:
        self._git(key, "tag", "--force", "--message", name, *(["--sign"] if key is not None else ["--annotate"]), name)


def refusal(mirror: Mirror, upstream: Upstream, wanted: Signatures, ref: str = "main") -> Refused:
    revision = mirror.fetch(Remote(str(upstream.path)), ref)
    with pytest.raises(Refused) as error:
        verify(mirror, revision, ref, wanted)
    return error.value


def accepts(mirror: Mirror, upstream: Upstream, wanted: Signatures, ref: str = "main") -> bool:
    verify(mirror, mirror.fetch(Remote(str(upstream.path)), ref), ref, wanted)
    return True


def tampered(upstream: Upstream) -> None:
    """Put another message under the signature of the branch's head."""
    text = upstream.repo.git.cat_file("commit", "HEAD").replace("\n\nchange", "\n\nanother") + "\n"
    file = upstream.path / "commit"
    file.write_text(text)
    upstream.repo.git.update_ref("HEAD", upstream.repo.git.hash_object("-w", "-t", "commit", str(file)))


def signers(key: Path, options: str = "") -> Signatures:
    file = key.with_name("allowed_signers")
    file.write_text(f"alice@example.org {options} {key.with_name(f'{key.name}.pub').read_text()}")
    return Signatures(mode=SignatureMode.COMMIT, ssh_allowed_signers=file)
