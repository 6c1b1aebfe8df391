"""What DAG code cannot do in the gate where the kernel has no Landlock: the layout and the mounts keep these walls."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gitsync.airflow.gate.options import GateOptions
from gitsync.errors import GateLost
from gitsync.trees import shelf
from gitsync.trees.shelf import Shelf
from tests.airflow.gates import CHECKOUT, Gate, dag, parse, tree
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REVISION = "1" * 40
FILLS = """
import os
for number in range(1000):
    with open({folder!r} + f"/{{number}}", "wb") as file:
        file.write(bytes(1 << 20))
"""
EMPTIES = """
import os, shutil
for name in os.listdir({folder!r}):
    shutil.rmtree(os.path.join({folder!r}, name), ignore_errors=True)
"""
NESTS = """
import os
os.chdir({folder!r})
for number in range(3000):
    os.mkdir("a" * 9)
    os.chdir("a" * 9)
os.chmod(".", 0)
"""
NESTS_AT_HOME = NESTS.replace("{folder!r}", "os.environ['TMPDIR']")
HOLDS_ITS_OUTPUT = """
import os, time
os.unlink(os.environ["TMPDIR"] + "/output")
os.mkfifo(os.environ["TMPDIR"] + "/output")
if os.fork() == 0:
    os.setsid()
    held = os.open(os.environ["TMPDIR"] + "/output", os.O_RDWR)
    time.sleep(30)
time.sleep(0.3)
os._exit(3)
"""


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The controller's volume."""
    root = tmp_path_factory.mktemp("volume")
    shelf.prepare(root)
    return root


def started(folder: Path, *mounts: str) -> Gate:
    within = ["env", f"PYTHONPATH={CHECKOUT}", sys.executable, "-m", "tests.airflow.unlandlocked", *mounts]
    gate = Gate(folder, within=[*within, "env", f"PYTHONPATH={folder / 'packages'}"])
    gate.start()
    return gate


@pytest.fixture(scope="module")
def bare(volume: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gate without Landlock, that sees a part of the volume, read-only, and has no right but its user's."""
    gate = started(tmp_path_factory.mktemp("bare"), "--read-only", str(volume / "gate"))
    try:
        yield gate
    finally:
        gate.process.end()
        # pytest removes old directories by recursion, and would end with an error on the nested ones of a failed test.
        subprocess.run(["rm", "-rf", gate.scratch], check=True)


def shelved(volume: Path, source: str, files: dict[str, str]) -> Path:
    return tree(Shelf(volume, source).open().revisions / REVISION, files)


def test_dag_code_is_really_without_landlock(bare: Gate, volume: Path) -> None:
    text = dag("a", "import ctypes\nassert ctypes.CDLL(None).syscall(444, 0, 0, 1) < 0\n")
    report = parse(bare, shelved(volume, "ours", {"a.py": text}), GateOptions())
    assert report.files["a.py"].dags == ("a",), report


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param("os.listdir({trees!r})", id="lists-the-sources"),
        pytest.param("os.chmod({trees!r}, 0o755)", id="opens-the-list"),
        pytest.param("open(os.path.dirname(__file__) + '/more', 'w')", id="writes-in-its-tree"),
    ],
)
def test_the_trees_of_other_sources_are_out_of_reach(bare: Gate, volume: Path, attempt: str) -> None:
    shelved(volume, "theirs", {"secret.py": "password = 1"})
    text = dag("a", f"import os\n{attempt.format(trees=str(volume / shelf.FOLDER))}\n")
    error = parse(bare, shelved(volume, "ours", {"a.py": text}), GateOptions()).files["a.py"].error or ""
    assert error.startswith(("PermissionError", "OSError: [Errno 30]")), error


def test_a_path_that_was_told_leads_nowhere_later(volume: Path) -> None:
    told = shelved(volume, "theirs", {"secret.py": "password = 1"})
    again = Shelf(volume, "theirs").open().revisions / REVISION
    assert (told.exists(), (again / "secret.py").exists()) == (False, True)


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(EMPTIES, id="removes-all"),
        pytest.param("import os; os.mkdir({folder!r} + '/airflow/plugins')", id="leaves-a-plugin"),
        pytest.param(
            "open({folder!r} + '/airflow/airflow.cfg', 'a').write('nonsense')", id="changes-the-configuration"
        ),
        pytest.param(NESTS, id="nests-without-end"),
        pytest.param(NESTS_AT_HOME, id="nests-in-its-own-folder"),
        pytest.param(HOLDS_ITS_OUTPUT, id="puts-a-pipe-in-the-place-of-its-output"),
    ],
)
def test_nothing_that_dag_code_writes_outlives_its_check(bare: Gate, volume: Path, attempt: str) -> None:
    before = content(bare.scratch)
    parse(bare, shelved(volume, "ours", {"a.py": dag("a", attempt.format(folder=str(bare.scratch)))}), GateOptions())
    report = parse(bare, shelved(volume, "theirs", {"b.py": dag("b")}), GateOptions())
    assert report.files["b.py"].dags == ("b",), report
    eventually(lambda: content(bare.scratch) == before, "the folder is as it was", lambda: str(content(bare.scratch)))


def test_work_begins_when_nothing_is_left_of_the_work_before(bare: Gate, volume: Path) -> None:
    """Two sources ask at the same time. Each one's DAG code fails if it meets the other's directory."""
    text = dag("a", f"import os, time\nos.mkdir({str(bare.scratch / 'mine')!r})\ntime.sleep(0.5)\n")
    folders = [shelved(volume, source, {"a.py": text}) for source in ("ours", "theirs")]
    with ThreadPoolExecutor() as asking:
        reports = list(asking.map(lambda folder: parse(bare, folder, GateOptions()), folders * 3))
    assert [report.files["a.py"].dags for report in reports] == [("a",)] * 6, reports


def test_work_that_stops_its_handler_ends_when_nobody_waits_for_it(bare: Gate, volume: Path) -> None:
    stops = dag("a", "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\n")
    request = {"do": "parse", "tree": str(shelved(volume, "stops", {"a.py": stops})), "subdirectory": ""}
    with pytest.raises(GateLost, match="hung"):
        bare.client.ask({**request, "bundle": "dags", "skip": [], "options": GateOptions().as_json()}, 5)
    assert parse(bare, shelved(volume, "theirs", {"b.py": dag("b")}), GateOptions()).files["b.py"].dags == ("b",)


def test_a_gate_that_starts_again_reads_nothing_that_dag_code_has_left(bare: Gate, volume: Path) -> None:
    """Its own process has a network, and Airflow runs what it finds in its home."""
    mark = volume / "mark"
    (bare.scratch / "airflow" / "config").mkdir(parents=True)
    (bare.scratch / "airflow" / "config" / "airflow_local_settings.py").write_text(f"open({str(mark)!r}, 'w')")
    bare.process.end()
    bare.start()
    assert not mark.exists()
    assert parse(bare, shelved(volume, "ours", {"b.py": dag("b")}), GateOptions()).files["b.py"].dags == ("b",)


def test_a_full_folder_is_the_fault_of_the_file_that_fills_it(volume: Path, tmp_path: Path) -> None:
    """In memory, as in the pod: the kernel refuses more, and the kubelet has no reason to evict the pod."""
    scratch = str(tmp_path / "gate" / "scratch")
    (tmp_path / "gate").mkdir()
    gate = started(tmp_path / "gate", "--in-memory", scratch)
    try:
        fills = parse(gate, shelved(volume, "ours", {"a.py": dag("a", FILLS.format(folder=scratch))}), GateOptions())
        assert fills.files["a.py"].error == "OSError: [Errno 28] No space left on device", fills
        report = parse(gate, shelved(volume, "ours", {"b.py": dag("b")}), GateOptions())
        assert report.files["b.py"].dags == ("b",), report
    finally:
        gate.process.end()


def content(folder: Path) -> list[str]:
    """Every path with its size. Python's own functions cannot follow paths that are too long."""
    shown = ("-mindepth", "1", "(", "-type", "d", "-printf", "%P\\n", "-o", "-printf", "%P %s\\n", ")")
    return sorted(
        subprocess.run(["find", str(folder), *shown], capture_output=True, text=True, check=False).stdout.splitlines()
    )
