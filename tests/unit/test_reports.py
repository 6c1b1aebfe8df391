"""What people have reported of other programs that bring DAGs into pods: it is named here, with a cure."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from gitsync.access.credentials import Credentials
from gitsync.errors import Refused, RemoteError
from gitsync.git.remote import Remote

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Upstream
    from tests.unit.mirrors import MakeMirror

MAIN = "https://git.example.org/team/dags.git"


@pytest.mark.parametrize(
    ("ref", "cure"),
    [
        ("PART", "write its full id"),
        ("UPPER", "write its full id"),
        ("origin/main", "write 'main'"),
        ("main\n", "remove the space"),
        ("gone", "push it or correct `ref`"),
    ],
)
def test_a_ref_that_cannot_be_meant_is_named_with_its_own_cure(
    make_mirror: MakeMirror, upstream: Upstream, ref: str, cure: str
) -> None:
    revision = upstream.commit(dag="one")
    ref = {"PART": revision[:9], "UPPER": revision.upper()}.get(ref, ref)
    with pytest.raises(RemoteError, match=cure) as error:
        make_mirror().fetch(Remote(str(upstream.path)), ref)
    assert error.value.reason == "RefNotFound"


@pytest.mark.parametrize("sign", ["%00", "%0a", "%0d", "%1b"])
def test_a_commit_puts_no_line_into_gits_credential_protocol(sign: str) -> None:
    """A NUL could not even be handed to Git."""
    credentials = Credentials(password="secret")
    with pytest.raises(RemoteError, match=r"the user name for https://git.example.org/team/lib.git has a line break"):
        credentials.remote(f"https://bot{sign}host=evil:x@git.example.org/team/lib.git", main=MAIN)


def test_a_user_name_with_a_line_break_is_named_and_a_password_loses_its_last_one() -> None:
    with pytest.raises(RemoteError, match=r"the user name for .* has a line break"):
        Credentials(username="bot\n", password="secret").remote(MAIN, main=MAIN)
    with pytest.raises(RemoteError, match=r"the password for .* has a line break"):
        Credentials(password="secret\nmore").remote(MAIN, main=MAIN)
    assert Credentials(password="secret\r\n").remote(MAIN, main=MAIN).env["GITSYNC_PASSWORD"] == "secret"


def test_a_name_that_no_volume_holds_is_refused_and_the_repository_is_not_suspected(
    make_mirror: MakeMirror, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.commit(dag="one")
    git = ["git", "-C", str(upstream.path)]
    blob = subprocess.run([*git, "rev-parse", "HEAD:dag"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([*git, "update-index", "--add", "--cacheinfo", f"100644,{blob},{'é' * 200}"], check=True)
    tree = subprocess.run([*git, "write-tree"], check=True, capture_output=True, text=True).stdout.strip()
    revision = upstream.repo.git.commit_tree(tree, "-m", "long")
    upstream.repo.git.update_ref("refs/heads/main", revision)
    mirror = make_mirror()
    mirror.fetch(Remote(str(upstream.path)), "main")
    mirror.export(revision, str(upstream.path))
    for paths in (None, ["é" * 200]):
        (directory := tmp_path / str(paths is None)).mkdir()
        with pytest.raises(Refused, match=r"too long for the volume.*; rename it"):
            mirror.write_files(revision, directory, paths)
    assert not mirror.suspected, "the next look would read the whole repository"
