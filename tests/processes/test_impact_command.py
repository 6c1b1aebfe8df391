"""`gitsync impact` on real repositories: each commit by itself, totals, and a repository that stays as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.mirrors import git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Upstream

DAG = "from airflow.sdk import DAG\nDAG('{}')\n"


@pytest.fixture
def history(upstream: Upstream) -> Upstream:
    """Five commits: two DAG files, a helper of one, its change, a README, and a broken `.gitsync.yaml`."""
    for files in (
        {"dags/a.py": DAG.format("a"), "dags/b.py": DAG.format("b")},
        {"dags/a.py": f"import helper\n{DAG.format('a')}", "dags/helper.py": "ONE = 1\n"},
        {"dags/helper.py": "ONE = 2\n"},
        {"README.md": "# Read\n"},
        {".gitsync.yaml": "what: is this\n"},
    ):
        upstream.commit(**files)
    return upstream


def impact(*arguments: str, scratch: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gitsync", "impact", *arguments]
    env = {**os.environ, **({"TMPDIR": str(scratch)} if scratch else {})}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def document(repository: Path, *options: str) -> dict[str, Any]:
    found = impact(str(repository), "--json", *options)
    assert found.returncode == 0, found.stderr
    return dict(json.loads(found.stdout))


def test_each_commit_is_compared_with_the_one_before(history: Upstream) -> None:
    answer = document(history.path)
    assert answer["subdirectory"] == "dags"
    assert [each["touched"] for each in answer["commits"]][:4] == [[], [], ["a.py"], ["a.py"]]
    assert [each["dag_files"] for each in answer["commits"]][:4] == [0, 2, 2, 2]
    assert "would be refused" in answer["commits"][0]["why"]
    assert answer["commits"][0]["commit"] == git(history.path, "rev-parse", "HEAD")


def test_the_report_has_a_line_for_each_commit_and_totals(history: Upstream) -> None:
    report = impact(str(history.path), "--last", "3").stdout
    lines, _, totals = report.partition("\n\n")
    assert len(lines.splitlines()) == 3
    assert "1 of 2 DAG files, because of dags/helper.py (1)" in lines
    assert "touch none                 2 (67 %)" in totals


def test_what_makes_commits_wide_is_said_with_the_rules_that_narrow(upstream: Upstream) -> None:
    """1. A DAG file lists a folder whose name is outside of the code. 2. The rule that is proposed spares it."""
    lister = f"import os\n{DAG.format('b')}os.listdir(os.environ['FOLDER'])\n"
    upstream.commit(**{"dags/a.py": DAG.format("a"), "dags/b.py": lister, "dags/sql/x.sql": "1"})
    upstream.commit(**{"dags/sql/x.sql": "2"})
    wide = document(upstream.path, "--last", "1")["commits"][0]
    assert wide["ways"] == {"b.py": "dags/b.py:4 lists dags/sql/x.sql"}
    proposed = impact(str(upstream.path), "--last", "1").stdout.partition("# .gitsync.yaml")[2]
    assert '- "/dags/sql/**"  # spares 1, if no DAG reads it; see dags/b.py:4' in proposed
    upstream.commit(**{".gitsync.yaml": proposed[proposed.index("ignore:") :]})
    upstream.commit(**{"dags/sql/x.sql": "3"})
    assert document(upstream.path, "--last", "1")["commits"][0]["touched"] == []


def test_last_and_ref_bound_the_replay(history: Upstream) -> None:
    older = git(history.path, "rev-parse", "HEAD~2")
    (only,) = document(history.path, "--last", "1", "--ref", older)["commits"]
    assert (only["commit"], only["touched"]) == (older, ["a.py"])


def test_the_whole_tree_is_the_dag_folder_without_dags(upstream: Upstream) -> None:
    upstream.commit(**{"flows/a.py": DAG.format("a")})
    upstream.commit(**{"flows/a.py": DAG.format("b")})
    answer = document(upstream.path, "--last", "1")
    assert (answer["subdirectory"], answer["commits"][0]["touched"]) == ("", ["flows/a.py"])


def test_the_repository_is_only_read_and_nothing_is_left(history: Upstream, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in history.path.rglob("*"))
    assert impact(str(history.path), scratch=scratch).returncode == 0
    assert sorted((str(path), path.lstat().st_mtime_ns) for path in history.path.rglob("*")) == before
    assert list(scratch.iterdir()) == []


def test_a_checkout_of_another_user_is_read(history: Upstream) -> None:
    for path in (history.path, *history.path.rglob("*")):
        os.chown(path, 65533, 65533)
    assert len(document(history.path)["commits"]) == 4


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        (["--last", "0"], "--last must be 1 or more"),
        (["--ref", "missing"], "ref 'missing' does not exist"),
        (["--subdirectory", "nothing"], "no directory 'nothing'"),
        (["--subdirectory", "../dags"], "a path inside the repository"),
    ],
)
def test_a_wrong_argument_is_named(history: Upstream, options: list[str], cure: str) -> None:
    found = impact(str(history.path), *options)
    assert found.returncode == 1
    assert cure in found.stderr
    assert "Traceback" not in found.stderr


def test_what_is_no_repository_is_named(tmp_path: Path) -> None:
    found = impact(str(tmp_path / "nothing"))
    assert found.returncode == 1
    assert "no repository at" in found.stderr


def test_a_repository_with_one_commit_has_nothing_to_compare(upstream: Upstream) -> None:
    upstream.commit(**{"dags/a.py": DAG.format("a")})
    git(upstream.path, "update-ref", "refs/heads/alone", git(upstream.path, "commit-tree", "-m", "x", "HEAD^{tree}"))
    found = impact(str(upstream.path), "--ref", "alone")
    assert found.returncode == 1
    assert "nothing to compare" in found.stderr
