"""Notices to a command and to files beside gitsync."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from gitsync.errors import NotDelivered
from gitsync.notify.command import Command
from gitsync.notify.files import ErrorFile, TouchFile
from gitsync.notify.notice import Kind, Notice
from tests.unit.notices import DEFERRED, FAILED, NEW, PUBLISHED, REFUSED
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from pathlib import Path


def command(tmp_path: Path, script: str, timeout: float = PATIENCE) -> Command:
    (tmp_path / "trees" / NEW).mkdir(parents=True)
    return Command(command=("sh", "-c", script), trees=tmp_path / "trees", timeout=timeout)


def test_a_command_runs_in_the_tree_and_knows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITSYNC_PASSWORD", "GIT_SYNC_PASSWORD", "GITSYNC_CREDENTIAL", "GITSYNC_GITHUB_APP_PRIVATE_KEY"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("GITSYNC_PASSWORD_FILE", "/a/file")
    command(tmp_path, "pwd > ../../said; env >> ../../said").send(PUBLISHED)
    first, *environment = (tmp_path / "said").read_text().splitlines()
    assert first == str(tmp_path / "trees" / NEW)
    assert {f"GITSYNC_HASH={NEW}", f"GITSYNC_REVISION={NEW}", "GITSYNC_SOURCE=dags"} <= {*environment}
    assert "GITSYNC_PASSWORD_FILE=/a/file" in environment
    assert "s3cret" not in "".join(environment)


@pytest.mark.parametrize(
    ("script", "timeout", "why"),
    [
        pytest.param("exit 3", PATIENCE, "sh failed for bbbbbbbbbbbb with status 3", id="failed"),
        pytest.param("sleep 600", 0.2, r"sh took longer than 0.2 s", id="slow"),
    ],
)
def test_a_command_that_fails_has_not_been_told(tmp_path: Path, script: str, timeout: float, why: str) -> None:
    with pytest.raises(NotDelivered, match=why):
        command(tmp_path, script, timeout).send(PUBLISHED)


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / NEW).mkdir()
    with pytest.raises(NotDelivered, match="cannot run /missing"):
        Command(command=("/missing",), trees=tmp_path).send(PUBLISHED)


def test_a_command_that_hangs_is_killed_with_all_it_has_started(tmp_path: Path) -> None:
    with pytest.raises(NotDelivered):
        command(tmp_path, "sleep 600 & echo $! > ../../child; wait", timeout=1).send(PUBLISHED)
    child = int((tmp_path / "child").read_text())
    eventually(lambda: _is_gone(child), "the child is killed too")


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, signal.SIG_DFL)
    except ProcessLookupError:
        return True
    with open(f"/proc/{process}/stat") as file:  # noqa: PTH123 - not a path of ours
        return file.read().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("success", [PUBLISHED, Notice(kind=Kind.RECOVERED, source="dags")])
def test_the_error_file_holds_the_last_error_until_a_success(tmp_path: Path, success: Notice) -> None:
    file = tmp_path / "notes" / "error.json"
    sink = ErrorFile(path=file)
    for notice in (REFUSED, FAILED):
        sink.send(notice)
    args = {"reason": "HostUnreachable"}
    assert json.loads(file.read_text()) == {"Msg": "sync failed", "Err": "the host does not answer", "Args": args}
    sink.send(success)
    sink.send(success)
    assert list(file.parent.iterdir()) == []


def test_the_touch_file_is_touched_after_each_publication(tmp_path: Path) -> None:
    file = tmp_path / "notes" / "touched"
    sink = TouchFile(path=file)
    assert [sink.wants(notice) for notice in (PUBLISHED, DEFERRED, FAILED)] == [True, False, False]
    sink.send(PUBLISHED)
    os.utime(file, (0, 0))
    sink.send(PUBLISHED)
    assert file.stat().st_mtime > 0


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for sink in (TouchFile(path=tmp_path / "file" / "x"), ErrorFile(path=tmp_path / "file" / "x")):
        with pytest.raises(NotDelivered, match=r"cannot write .*/file/x"):
            sink.send(FAILED)
