"""A wrong configuration stops the start, with a message that names the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitsync.errors import SettingsError
from gitsync.rules.policy import Scope
from gitsync.settings import load

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
sources: [{name: dags, repo: "https://${HOST}/dags.git", ref: main, period: 5}]
database: {host: postgres}
"""


def test_a_good_file_with_a_value_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "gitsync.yaml"
    file.write_text(GOOD)
    source = load(file, {"HOST": "git.example.org"}).sources[0]
    assert (source.repo, source.period) == ("https://git.example.org/dags.git", 5)


def test_off_is_a_word_everywhere(tmp_path: Path) -> None:
    file = tmp_path / "gitsync.yaml"
    off = "gate: {policy: off}, signatures: {mode: off}, clone: {submodules: off, gc: off}, policy: {versioned: false}"
    file.write_text(GOOD.replace("period: 5", off))
    source = load(file, {"HOST": "git.example.org"}).sources[0]
    assert (source.gate.policy, source.signatures.mode, source.clone.submodules, source.clone.gc) == ("off",) * 4
    assert source.policy.versioned is False


@pytest.mark.parametrize("written", ["off", '"off"'])
def test_off_is_off_as_people_write_it(tmp_path: Path, written: str) -> None:
    file = tmp_path / "gitsync.yaml"
    file.write_text(GOOD.replace("period: 5", f"policy: {{scope: {written}}}"))
    assert load(file, {"HOST": "git.example.org"}).sources[0].policy.scope is Scope.OFF


@pytest.mark.parametrize(
    ("content", "named"),
    [
        pytest.param(GOOD.replace("period: 5", "period: soon"), r"sources\[0\]\.period", id="not-a-number"),
        pytest.param(GOOD.replace("period: 5", "period: 0"), r"sources\[0\]\.period", id="too-small"),
        pytest.param(GOOD.replace("ref:", "branch:"), r"sources\[0\]\.branch", id="unknown-key"),
        pytest.param(GOOD.replace("ref: main", "ref: --upload-pack=x"), r"sources\[0\]\.ref", id="an-option-as-ref"),
        pytest.param(GOOD.replace("period: 5", "subdirectory: ../x"), r"sources\[0\]\.subdirectory", id="outside"),
        pytest.param("database: {host: x}", "sources: is missing", id="no-source"),
        pytest.param(GOOD.replace("{host: postgres}", "{}"), r"database\.host", id="no-database-host"),
        pytest.param(GOOD.replace("period: 5", "policy: {scope: x}"), r"policy\.scope", id="unknown-scope"),
        pytest.param(GOOD.replace("period: 5", "policy: {exempts: [a]}"), r"policy\.exempts", id="unknown-rule"),
        pytest.param(GOOD.replace("period: 5", "policy: {max_defer: -1}"), r"policy: max_defer must", id="negative"),
        pytest.param(
            GOOD.replace("period: 5", "policy: {at_deadline: pin, versioned: false}"), "versioned bundle", id="pin"
        ),
        pytest.param(GOOD + "lock: {limit: 15}", r"lock\.limit .* fleet\.flip_within", id="hold-ends-before-the-flip"),
        pytest.param(GOOD.replace("HOST", "ELSEWHERE"), r"\$\{ELSEWHERE\}", id="variable-not-set"),
        pytest.param("sources: [", "is not YAML", id="not-yaml"),
        pytest.param("", "the file", id="empty"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: str, named: str) -> None:
    file = tmp_path / "gitsync.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError, match=named):
        load(file, {"HOST": "git.example.org"})


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        pytest.param("sources: []\ndatabase: {host: x}", "sources: needs one entry at least", id="no-entry"),
        pytest.param(GOOD.replace("ref: main", "tags: x"), "sources[0].tags: is no setting", id="unknown"),
        pytest.param(
            GOOD.replace("ref: main", "clone: 5"), "sources[0].clone: must be a mapping of settings", id="text"
        ),
        pytest.param(GOOD.replace("period: 5", "signatures: {gpg_keyrings: x}"),
                     "sources[0].signatures.gpg_keyrings: must be a list", id="no-list"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_message(tmp_path: Path, content: str, whole: str) -> None:
    file = tmp_path / "gitsync.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError) as error:
        load(file, {"HOST": "git.example.org"})
    assert str(error.value) == f"{file}: {whole}"


@pytest.mark.parametrize(
    ("written", "folder"), [("./dags", "dags"), ("dags/", "dags"), ("a//./b", "a/b"), (".", ""), ("./", "")]
)
def test_a_directory_however_it_is_written(tmp_path: Path, written: str, folder: str) -> None:
    file = tmp_path / "gitsync.yaml"
    file.write_text(GOOD.replace("period: 5", f"subdirectory: {written}"))
    assert load(file, {"HOST": "git.example.org"}).sources[0].subdirectory == folder


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=str(tmp_path / "none.yaml")):
        load(tmp_path / "none.yaml")
