"""Only revisions with a trusted signature are accepted. Keys, gpg and ssh-keygen are real."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import TypeAdapter

from gitsync.checks.signatures import SignatureMode, Signatures, verify
from gitsync.errors import Refused, RemoteError
from gitsync.git.mirror import Mirror
from gitsync.git.remote import Remote
from hack.lab.node.prerequisites import install_missing
from tests.processes.servers import make_key, run
from tests.processes.signing import LONG_AGO, Authors, Gpg, accepts, refusal, signers, tampered
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.conftest import Upstream


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    install_missing({"gpg": "gpg", "gpg-agent": "gpg-agent"})
    with tempfile.TemporaryDirectory(prefix="gpg.") as home:  # short: a socket's path has 108 bytes at most
        keys = Gpg(Path(home))
        for name in ("alice", "stranger", "revoked"):
            keys.make(name)
        keys.make("expired", "--faked-system-time", LONG_AGO, ends="1d")
        then = keys.home / "then"
        then.write_text(f'#!/bin/sh\nexec gpg --faked-system-time {LONG_AGO} "$@"\n')
        then.chmod(0o755)
        yield keys
        run("gpgconf", "--homedir", home, "--kill", "all")


@pytest.fixture
def authors(upstream: Upstream, gpg: Gpg) -> Authors:
    return Authors(upstream, gpg)


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = Mirror(tmp_path / "mirror.git", timeout=PATIENCE)
    mirror.prepare()
    return mirror


@pytest.fixture
def keyrings(gpg: Gpg, tmp_path: Path) -> tuple[Path, ...]:
    armored, binary = tmp_path / "alice.asc", tmp_path / "others.gpg"
    armored.write_text(gpg("--armor", "--export", "alice@example.org"))
    gpg("--output", str(binary), "--export", "revoked@example.org", "expired@example.org")
    return armored, binary


def test_a_signed_commit(authors: Authors, mirror: Mirror, keyrings: tuple[Path, ...]) -> None:
    """1. Nothing is asked: let in. 2. Not signed: refused. 3. Signed: let in. 4. The next one is not: refused."""
    wanted = Signatures(mode=SignatureMode.COMMIT, gpg_keyrings=keyrings)
    authors.commit(None)
    assert accepts(mirror, authors.upstream, Signatures())
    assert refusal(mirror, authors.upstream, wanted).reason == "Unsigned"
    authors.commit("alice")
    assert accepts(mirror, authors.upstream, wanted)
    authors.commit(None)
    assert refusal(mirror, authors.upstream, wanted).reason == "Unsigned"


@pytest.mark.parametrize(
    ("signer", "reason", "cure"),
    [
        pytest.param("stranger", "SignerUnknown", "not in the keyring", id="stranger"),
        pytest.param("expired", "SignerExpired", "renew it", id="expired"),
        pytest.param("revoked", "SignerRevoked", "with another", id="revoked"),
    ],
)
def test_signers_who_are_not_trusted(
    authors: Authors, gpg: Gpg, mirror: Mirror, keyrings: tuple[Path, ...], signer: str, reason: str, cure: str
) -> None:
    authors.commit(signer)
    if signer == "revoked":
        gpg.revoke(signer)
        keyrings[1].unlink()
        gpg("--output", str(keyrings[1]), "--export", "revoked@example.org")
    error = refusal(mirror, authors.upstream, Signatures(mode=SignatureMode.COMMIT, gpg_keyrings=keyrings))
    assert error.reason == reason
    assert re.search(rf"[0-9A-F]{{16}}.*{cure}", str(error))


def test_what_was_changed_after_it_was_signed(authors: Authors, mirror: Mirror, keyrings: tuple[Path, ...]) -> None:
    authors.commit("alice")
    tampered(authors.upstream)
    error = refusal(mirror, authors.upstream, Signatures(mode=SignatureMode.COMMIT, gpg_keyrings=keyrings))
    assert error.reason == "SignatureBad"


@pytest.fixture
def ssh_key(tmp_path: Path) -> Path:
    make_key(tmp_path / "ssh")
    return tmp_path / "ssh"


def test_ssh_signatures(authors: Authors, mirror: Mirror, ssh_key: Path) -> None:
    """1. By an allowed signer. 2. Changed afterwards. 3. By a stranger."""
    make_key(ssh_key.with_name("stranger"))
    wanted = signers(ssh_key)
    authors.commit(ssh_key)
    assert accepts(mirror, authors.upstream, wanted)
    tampered(authors.upstream)
    assert refusal(mirror, authors.upstream, wanted).reason == "SignatureBad"
    authors.commit(ssh_key.with_name("stranger"))
    error = refusal(mirror, authors.upstream, wanted)
    assert (error.reason, "SHA256:" in str(error)) == ("SignerUnknown", True)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param('namespaces="file"', "SignerUnknown", id="not-for-git"),
        pytest.param('valid-before="20200101"', "SignerExpired", id="no-longer"),
        pytest.param('namespaces="git"', None, id="for-git"),
    ],
)
def test_what_an_ssh_signer_is_allowed(
    authors: Authors, mirror: Mirror, ssh_key: Path, options: str, reason: str | None
) -> None:
    authors.commit(ssh_key)
    if reason is None:
        assert accepts(mirror, authors.upstream, signers(ssh_key, options))
    else:
        assert refusal(mirror, authors.upstream, signers(ssh_key, options)).reason == reason


def test_each_kind_of_key_trusts_only_its_own(
    authors: Authors, mirror: Mirror, keyrings: tuple[Path, ...], ssh_key: Path
) -> None:
    authors.commit(ssh_key)
    error = refusal(mirror, authors.upstream, Signatures(mode=SignatureMode.COMMIT, gpg_keyrings=keyrings))
    assert error.reason == "SignerUnknown"
    authors.commit("alice")
    assert refusal(mirror, authors.upstream, signers(ssh_key)).reason == "SignerUnknown"


def test_a_signed_tag(authors: Authors, mirror: Mirror, keyrings: tuple[Path, ...]) -> None:
    """1. A branch is no tag. 2. A tag without a signature. 3. A signed one, under either name."""
    wanted = Signatures(mode=SignatureMode.TAG, gpg_keyrings=keyrings)
    authors.commit("alice")
    assert "no annotated tag" in str(refusal(mirror, authors.upstream, wanted))
    authors.tag("v1", None)
    assert refusal(mirror, authors.upstream, wanted, "v1").reason == "Unsigned"
    authors.tag("v1", "stranger")
    assert refusal(mirror, authors.upstream, wanted, "v1").reason == "SignerUnknown"
    authors.tag("v1", "alice")
    for ref in ("v1", "refs/tags/v1"):
        assert accepts(mirror, authors.upstream, wanted, ref)


def test_a_signed_tag_vouches_for_its_own_revision_only(
    authors: Authors, mirror: Mirror, keyrings: tuple[Path, ...]
) -> None:
    wanted = Signatures(mode=SignatureMode.TAG, gpg_keyrings=keyrings)
    unsigned = authors.commit(None)
    mirror.fetch(Remote(str(authors.upstream.path)), "main")
    authors.commit(None)
    authors.tag("v1", "alice")
    assert accepts(mirror, authors.upstream, wanted, "v1")
    mirror.fetch(Remote(str(authors.upstream.path)), unsigned)
    with pytest.raises(Refused, match=f"{unsigned[:12]} is no annotated tag"):
        verify(mirror, unsigned, "v1", wanted)


def test_a_signed_tag_under_another_name(authors: Authors, mirror: Mirror, keyrings: tuple[Path, ...]) -> None:
    authors.commit(None)
    authors.tag("v1", "alice")
    authors.upstream.repo.git.update_ref("refs/tags/v2", "refs/tags/v1")
    error = refusal(mirror, authors.upstream, Signatures(mode=SignatureMode.TAG, gpg_keyrings=keyrings), "v2")
    assert error.reason == "TagRenamed"


def test_any_of_both(authors: Authors, mirror: Mirror, keyrings: tuple[Path, ...]) -> None:
    wanted = Signatures(mode=SignatureMode.ANY, gpg_keyrings=keyrings)
    authors.commit("alice")
    assert accepts(mirror, authors.upstream, wanted)
    authors.tag("v1", None)
    assert accepts(mirror, authors.upstream, wanted, "v1")
    authors.commit("stranger")
    authors.tag("v2", "alice")
    assert accepts(mirror, authors.upstream, wanted, "v2")
    authors.tag("v3", None)
    error = refusal(mirror, authors.upstream, wanted, "v3")
    assert (error.reason, "tag 'v3' is not signed" in str(error)) == ("SignerUnknown", True)


def test_keys_are_read_anew_each_time(authors: Authors, gpg: Gpg, mirror: Mirror, tmp_path: Path) -> None:
    wanted = Signatures(mode=SignatureMode.COMMIT, gpg_keyrings=(tmp_path / "keyring",))
    authors.commit("stranger")
    for name, accepted in (("alice", False), ("stranger", True)):
        (tmp_path / "keyring").write_text(gpg("--armor", "--export", f"{name}@example.org"))
        if accepted:
            assert accepts(mirror, authors.upstream, wanted)
        else:
            assert refusal(mirror, authors.upstream, wanted).reason == "SignerUnknown"


@pytest.mark.parametrize("option", ["gpg_keyrings", "ssh_allowed_signers"])
def test_keys_that_cannot_be_read_are_not_the_candidates_fault(
    authors: Authors, mirror: Mirror, tmp_path: Path, option: str
) -> None:
    authors.commit("alice")
    missing = tmp_path / "missing"
    given = (
        Signatures(SignatureMode.COMMIT, (missing,))
        if option == "gpg_keyrings"
        else Signatures(SignatureMode.COMMIT, (), missing)
    )
    revision = mirror.fetch(Remote(str(authors.upstream.path)), "main")
    with pytest.raises(RemoteError, match=str(missing)) as error:
        verify(mirror, revision, "main", given)
    assert error.value.reason == "KeyringUnreadable"


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        pytest.param({"mode": "some"}, "'off', 'commit', 'tag' or 'any'", id="unknown-mode"),
        pytest.param({"mode": "any"}, "needs gpg_keyrings or ssh_allowed_signers", id="nobody-is-trusted"),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, str], cure: str) -> None:
    with pytest.raises(ValueError, match=cure):
        TypeAdapter(Signatures).validate_python(options)
