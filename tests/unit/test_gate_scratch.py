"""The folders that DAG code can write to: what comes back after each check."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from gitsync.airflow.gate.place import Scratch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def content(folder: Path) -> dict[str, str | None]:
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_text() for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _home: None, id="nothing"),
        pytest.param(shutil.rmtree, id="removes-all"),
        pytest.param(lambda home: (home / "airflow.cfg").write_text("nonsense"), id="changes-a-file"),
        pytest.param(lambda home: (home / "plugins" / "mine").mkdir(parents=True), id="adds-a-directory"),
        pytest.param(lambda home: (home / "logs").chmod(0), id="locks-a-directory"),
    ],
)
def test_what_airflow_has_made_is_there_for_each_check(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    """Airflow makes ``logs`` once, when it is imported, and the configuration beside it."""
    home = tmp_path / "scratch" / "airflow"
    (home / "logs").mkdir(parents=True)
    (home / "airflow.cfg").write_text("[core]\n")
    scratch = Scratch([tmp_path / "scratch"])
    scratch.keep()
    before = content(tmp_path)
    spoil(home)
    scratch.renew()
    assert content(tmp_path) == before
