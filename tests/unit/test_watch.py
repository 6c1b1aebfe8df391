"""Any change of a mounted file is noticed. Reading the file is not taken for a change."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gitsync.controller.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 60.0


class Mount:
    """A Secret as Kubernetes mounts it: files are links to ``..data/``, a link to a folder of this version."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.version = folder, 0
        folder.mkdir()
        self.write("first")
        (folder / "password").symlink_to("..data/password")

    def write(self, password: str) -> None:
        self.version += 1
        data = self.folder / f"..version_{self.version}"
        data.mkdir()
        (data / "password").write_text(password)
        (self.folder / "..data_tmp").symlink_to(data.name)
        (self.folder / "..data_tmp").replace(self.folder / "..data")


class Ear:
    """Hears what a watch says."""

    def __init__(self) -> None:
        self.heard = threading.Semaphore(0)

    def hears(self) -> bool:
        return self.heard.acquire(timeout=PATIENCE)

    def is_quiet(self) -> bool:
        return not self.heard.acquire(blocking=False)


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def watch(ear: Ear) -> Iterator[Callable[..., None]]:
    watches: list[Watch] = []

    def start(*paths: Path) -> None:
        watches.append(Watch(paths, ear.heard.release, pause=0.01))
        watches[-1].start()

    yield start
    for started in watches:
        started.stop()


def test_kubernetes_exchange_of_a_secret(tmp_path: Path, ear: Ear, watch: Callable[..., None]) -> None:
    mount = Mount(tmp_path / "secret")
    watch(mount.folder / "password")
    for password in ("second", "third"):
        mount.write(password)
        assert ear.hears()


def test_files_that_are_written_replaced_and_removed(tmp_path: Path, ear: Ear, watch: Callable[..., None]) -> None:
    file = tmp_path / "token"
    watch(file, tmp_path / "nowhere" / "token")
    for change in (
        lambda: file.write_text("made"),
        lambda: file.write_text("written again"),
        lambda: (tmp_path / "new").replace(file),
        file.unlink,
    ):
        (tmp_path / "new").write_text("replaced")
        change()
        assert ear.hears()


def test_reading_and_neighbours_are_no_change(tmp_path: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them makes the watch look; when it looks again, what it did after the look before is over."""
    (tmp_path / "token").write_text("one")
    looked = threading.Semaphore(0)
    watch = Watch([tmp_path / "token"], ear.heard.release, pause=0.01)
    state = watch._state

    def look() -> tuple[object, ...]:
        looked.release()
        return state()

    monkeypatch.setattr(watch, "_state", look)
    watch.start()
    for _ in range(2):
        (tmp_path / "token").read_text()
        assert looked.acquire(timeout=PATIENCE)
        (tmp_path / "neighbour").write_text("x")
        assert looked.acquire(timeout=PATIENCE)
    watch.stop()
    assert ear.is_quiet()


def test_a_system_without_watches_left_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch([tmp_path / "token"], lambda: None)

    def refuse() -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr(watch._observer, "start", refuse)
    watch.start()
    watch.stop()
    assert "watch.failed" in caplog.text
