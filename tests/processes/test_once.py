"""`gitsync once`, as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Upstream


def once(upstream: Upstream, root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gitsync", "once", "--repo", str(upstream.path), "--root", str(root), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_publishes_and_says_what(upstream: Upstream, tmp_path: Path) -> None:
    revision = upstream.commit(dag="one")
    result = once(upstream, tmp_path / "root", "--ref", "main")
    assert (result.returncode, result.stdout.strip()) == (0, revision)
    assert (tmp_path / "root" / "current" / "dag").read_text() == "one"


def test_an_error_is_one_line_and_leaves_the_last_tree(upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit(dag="one")
    once(upstream, tmp_path / "root")
    result = once(upstream, tmp_path / "root", "--ref", "nope")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        (
            f"gitsync: ref 'nope' does not exist in {upstream.path}; "
            "push it or correct `ref` [couldn't find remote ref nope]"
        )
    ]
    assert (tmp_path / "root" / "current" / "dag").read_text() == "one"


def test_history_moves_backwards_too(upstream: Upstream, tmp_path: Path) -> None:
    first = upstream.commit(dag="one")
    upstream.commit(dag="two")
    for ref, content in (("main", "two"), (first, "one")):
        assert once(upstream, tmp_path / "root", "--ref", ref).returncode == 0
        assert (tmp_path / "root" / "current" / "dag").read_text() == content
