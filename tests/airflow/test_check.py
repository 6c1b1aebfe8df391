"""`gitsync check` with a real Airflow: it prints each problem on a line of its own, with the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import git
import pytest

from tests.airflow.gates import Gate, dag, tree

if TYPE_CHECKING:
    from pathlib import Path

AUTHOR = git.Actor("Tests", "tests@example.org")
GONE = "import os\n\nimport gone\n"
NO_MODULE = "ModuleNotFoundError: No module named 'gone'"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """Its environment; no server is needed."""
    return Gate(tmp_path_factory.mktemp("check"))


def said(gate: Gate, folder: Path, *options: str | Path) -> list[str]:
    """The lines on standard error. Without any, it must have ended well."""
    done = gate.check(folder, *options)
    assert done.returncode == bool(done.stderr), done
    return done.stderr.splitlines()


FILES = {
    "dags/good.py": dag("good"),
    "dags/import.py": dag("a", GONE),
    "dags/syntax.py": dag("b", "\ndef x(:\n"),
    "dags/helper.py": "\n1 / 0\n",
    "dags/through.py": dag("c", "import helper\n"),
    "dags/twice.py": dag("good"),
    "dags/crash.py": dag("d", "import os\nos._exit(3)\n"),
}


def test_each_problem_is_a_line_with_its_place(gate: Gate, tmp_path: Path) -> None:
    """The repository's own check is not run on what does not import."""
    folder = tree(tmp_path / "tree", FILES)
    assert said(gate, folder, "--subdirectory", "dags", "--check", "false") == [
        "dags/crash.py: ended its process with status 3",
        f"dags/import.py:3: {NO_MODULE}",
        "dags/syntax.py:2: SyntaxError: invalid syntax",
        "dags/through.py:1: ZeroDivisionError: division by zero (at helper.py:2)",
        "dags/twice.py:4: DAG good is also in good.py",
        "gitsync: refused: 5 problems",
    ]


def test_without_a_dag_there_is_something_wrong(gate: Gate, tmp_path: Path) -> None:
    folder = tree(tmp_path / "tree", {"dags/x.txt": ""})
    assert said(gate, folder, "--subdirectory", "dags", "--github") == [
        "::error file=dags,line=1::no DAG in this folder; check --subdirectory and .airflowignore",
        "gitsync: refused: 1 problem",
    ]


def test_the_repositorys_own_check(gate: Gate, tmp_path: Path) -> None:
    folder = tree(tmp_path / "tree", {"a.py": dag("a")})
    assert said(gate, folder, "--check", "test -e a.py") == []
    assert said(gate, folder, "--check", "sh -c 'echo 2 tests failed; exit 1'") == [
        "sh -c 'echo 2 tests failed; exit 1': ended its process with status 1 | 2 tests failed",
        "gitsync: refused: 1 problem",
    ]


@pytest.fixture
def repository(tmp_path: Path) -> git.Repo:
    """`main` has a good DAG and one that is broken."""
    folder = tree(tmp_path / "repository", {"dags/good.py": dag("good"), "dags/old.py": dag("old", GONE)})
    repository = git.Repo.init(folder, initial_branch="main")
    commit(repository)
    return repository


def commit(repository: git.Repo) -> None:
    repository.git.add("--all")
    repository.index.commit("Change", author=AUTHOR, committer=AUTHOR)


def test_a_revision_of_the_repository_is_what_it_is_compared_with(
    gate: Gate, repository: git.Repo, tmp_path: Path
) -> None:
    """
    1. What was broken before stops nothing.
    2. A file that is worse than on the branch is a problem; the repository's own index and files stay as they are.
    3. A revision that is not there.
    """
    compared = ("--subdirectory", "dags", "--base", "main")
    folder = tree(tmp_path / "repository", {"dags/more.py": dag("more")})
    assert said(gate, folder, *compared) == []
    tree(folder, {"dags/good.py": dag("good", "import gone\n")})
    assert said(gate, folder, *compared)[0] == f"dags/good.py:1: {NO_MODULE}"
    assert repository.git.status("--porcelain") == " M dags/good.py\n?? dags/more.py"
    (missing,) = said(gate, folder, "--base", "origin/nowhere")
    assert missing.startswith("gitsync: --base origin/nowhere: git: fatal: ")
    assert "fetch it first" in missing


def test_the_policy_on_trees_and_the_sources_options(gate: Gate, repository: git.Repo, tmp_path: Path) -> None:
    """The file has what the source in gitsync's configuration has; files that Git does not know are not the tree's."""
    folder = tmp_path / "repository"
    (folder / "dags/old.py").write_text(dag("old", "from airflow.sdk import Variable\nVariable.get('region')\n"))
    (folder / "out").symlink_to("/etc/passwd")
    options = tmp_path / "options.yaml"
    options.write_text("gate: {variables: {region: eu}, timeout: 50}\ntree: {refused_names: ['*.pem']}\n")
    given = ("--subdirectory", "dags", "--options", str(options))
    tree(folder, {"key.pem": "x"})
    commit(repository)
    (folder / "not-of-the-repository.pem").write_text("x")
    assert said(gate, folder, *given) == [
        "the tree: 'key.pem' matches *.pem in refused_names; remove it",
        "the tree: 'out' is a symbolic link to '/etc/passwd', which leads out of the tree; correct or remove it",
        "gitsync: refused: 2 problems",
    ]
    options.write_text("gate: {policies: strict}\n")
    (unknown,) = said(gate, folder, *given)
    assert "the gate's options: " in unknown
    assert "policies" in unknown
