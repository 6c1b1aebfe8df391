"""What one commit can cost: each of these is judged within the limits, while the controller's process goes on."""

from __future__ import annotations

import bz2
import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gitsync.analysis.analyst import MOST_BEYOND
from gitsync.analysis.messages import Verdict
from tests.processes.judging import LIMITS
from tests.unit.mirrors import MakeMirror, commit, git, publish

if TYPE_CHECKING:
    from gitsync.git.mirror import Mirror
    from gitsync.impact.touched import Touched
    from tests.unit.conftest import Upstream

ROOT = Path(__file__).parents[2]
DAG = b"import airflow\nimport lib\ndag = 1\n"
OWN_MIB = 96
"""Most memory of the controller's side, of which Python and its libraries take about 40."""
CHILD_MIB = LIMITS.memory + 64
"""Most memory of the child: what it may allocate, and the files that it has mapped."""


@dataclass
class Judge:
    """Pushes files to a repository whose first revision is harmless, and judges them as the controller does."""

    upstream: Upstream
    mirror: Mirror
    facts: Path
    base: str

    def push(self, files: dict[str, bytes]) -> dict[str, Any]:
        for name, content in files.items():
            path = self.upstream.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        git(self.upstream.path, "add", "--all")
        return self.commit()

    def index(self, lines: str) -> dict[str, Any]:
        """Commit entries that no work tree needs to hold."""
        git(self.upstream.path, "update-index", "--index-info", stdin=lines)
        return self.commit()

    def push_base(self, files: dict[str, bytes]) -> str:
        """Push files that a later push is compared with."""
        return str(self.push(files)["revision"])

    def commit(self) -> dict[str, Any]:
        commit(self.upstream.path)
        revision = publish(self.mirror, self.upstream)
        arguments = (str(self.mirror.directory), str(self.facts), revision, self.base)
        command = [sys.executable, "-m", "tests.processes.judging", *arguments]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        outcome: dict[str, Any] = {**json.loads(done.stdout), "revision": revision}
        print({key: value for key, value in outcome.items() if key != "verdict"})
        assert outcome["own"] < OWN_MIB
        assert outcome["child"] < CHILD_MIB
        assert outcome["turns"]
        return outcome

    def touched(self, files: dict[str, bytes]) -> Touched:
        return Verdict.of(self.push(files)["verdict"]).touched


@pytest.fixture
def judge(upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path) -> Judge:
    mirror = make_mirror()
    upstream.commit(**{"dag.py": DAG.decode(), "other.py": "import airflow\ndag = 2\n", "lib.py": "A = 1\n"})
    return Judge(upstream, mirror, tmp_path / "facts", publish(mirror, upstream))


def _zip(name: str, content: bytes, count: int = 1) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"{number}{name}", content)
    return made.getvalue()


def _bzip2_of_false_size(content: bytes) -> bytes:
    """A zip whose member says that it has 100 bytes, and unpacks to ``content``."""
    name, packed = b"a.py", bz2.compress(content)
    sizes = struct.pack("<III", zlib.crc32(content), len(packed), 100)
    head = struct.pack("<HHHHH", 46, 0, 12, 0, 0) + sizes + struct.pack("<HH", len(name), 0)
    local = b"PK\3\4" + head + name + packed
    central = b"PK\1\2" + struct.pack("<H", 46) + head + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


MERGES = (
    "a0: &a0 {k: 1}\n"
    + "".join(
        f"a{n}: &a{n}\n" + "".join(f"  x{n}{m}: 1\n" for m in range(9)) + f"  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n"
        for n in range(1, 25)
    )
).encode()

FILES: dict[str, tuple[str, bytes]] = {
    "a generated data file": ("data.py", b"ROWS = [%s]\n" % b"".join(b"(%d, 'x', 1.5),\n" % n for n in range(200_000))),
    "a data file of 20 MB": ("data.py", b"TEXT = '" + b"x" * (20 << 20) + b"'\n"),
    "an import of a name of 200 kB": ("lib.py", b"import " + b".".join([b"a"] * 100_000) + b"\n"),
    "two million statements": ("lib.py", b"a;" * ((2 << 20) - 1)),
    "a dotted string": ("lib.py", b"X = '" + b".".join([b"a"] * 32_000) + b"'\n"),
    "parentheses": ("lib.py", b"(" * (1 << 20)),
    "a long sum": ("lib.py", b"x = " + b"+".join([b"1"] * 200_000) + b"\n"),
    "placeholders without end": ("note.txt", b"\n".join([b"%(" * 30_000] * 16)),
    "a zip of large modules": ("dags.zip", _zip("m.py", b"a;" * (1 << 20), 20)),
    "a zip of a false size": ("dags.zip", _bzip2_of_false_size(b"\0" * (400 << 20))),
    "a zip of ten thousand modules": ("dags.zip", _zip("m.py", b"import airflow, dag\n", 10_000)),
    "an .airflowignore that no matcher ends": (".airflowignore", b"*a" * 14 + b"*b\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_any_file_is_judged_within_the_limits(judge: Judge, case: str) -> None:
    name, content = FILES[case]
    found = judge.touched({name: content, f"{'a' * 60}.py": DAG})
    if name in ("lib.py", "dags.zip"):
        assert found.files is None or {"lib.py": "dag.py"}.get(name, "dags.zip") in found.files
    if name == ".airflowignore":
        assert found.files is None
        assert f"comparing file names with .airflowignore takes more than {LIMITS.cpu} s" in found.why


HUGE = b"a;" * (1 << 20)
"""Two megabytes of Python, whose syntax tree takes some hundred."""
SLOW = _zip("m.py", b"def f(x): return g(x)[1].y\n" * 1_500, 200)
"""A zip of 110 kB, whose syntax trees are small, and take several seconds."""


def test_only_the_file_beyond_a_limit_is_opaque(judge: Judge) -> None:
    found = judge.touched({"lib.py": HUGE})
    assert found.opaque == {"lib.py": "takes more memory than its analysis may use"}
    assert found.files == frozenset({"dag.py", "lib.py"})


def test_a_file_beyond_a_limit_counts_as_changed_with_everything(judge: Judge) -> None:
    judge.base = judge.push_base({"lib.py": HUGE, "x.cfg": b"1"})
    assert judge.touched({"x.cfg": b"2"}).files == frozenset({"dag.py", "lib.py"})


def test_a_file_that_ends_the_analysis_is_left_out_of_the_next_one(judge: Judge) -> None:
    found = judge.touched({"slow.zip": SLOW})
    assert found.opaque == {"slow.zip": f"takes more than {LIMITS.cpu} s of processor time"}
    assert found.files == frozenset({"slow.zip"})


def test_many_such_files_touch_everything_and_later_commits_go_on_from_there(judge: Judge) -> None:
    first = judge.touched({f"m{number}.zip": SLOW + b"%d" % number for number in range(MOST_BEYOND + 1)})
    assert first.files is None
    assert "takes more than" in first.why
    second = judge.touched({"dag.py": DAG + b"#\n"})
    assert second.files is not None
    assert len(second.opaque) == MOST_BEYOND + 1


def test_a_gitsync_yaml_that_merges_without_end_is_refused(judge: Judge) -> None:
    assert ".gitsync.yaml is not YAML: the mapping in line" in judge.push({".gitsync.yaml": MERGES})["refusal"]


def test_a_pattern_of_gitsync_yaml_that_no_matcher_ends_touches_everything(judge: Judge) -> None:
    reader = b"from airflow.sdk import DAG\nimport os\nos.walk('.')\n"
    judge.base = judge.push_base({"reader.py": reader})
    rules = f"ignore: ['{'*a' * 14}*b']\n".encode()
    found = judge.touched({".gitsync.yaml": rules, f"{'a' * 60}.sql": b"x"})
    assert found.files is None


def test_thousands_of_long_names_are_judged_within_the_limits(judge: Judge) -> None:
    judge.touched({f"{number:05}{'n' * 240}.sql": b"x" for number in range(5_000)})


def test_deep_paths_are_refused_before_they_are_compared(judge: Judge) -> None:
    blob = git(judge.upstream.path, "hash-object", "-w", "--stdin", stdin="x")
    deep = "/".join(["d"] * 400)
    outcome = judge.index("".join(f"100644 {blob}\t{n}/{deep}/f.py\n" for n in range(300)))
    assert "has 402 names, more than 100" in outcome["refusal"]


def test_a_hundred_thousand_directories_are_judged_within_the_limits(judge: Judge) -> None:
    """Few objects stand for many names: each level lists the same tree thirty times."""
    blob = git(judge.upstream.path, "hash-object", "-w", "--stdin", stdin="x")
    entry = f"100644 blob {blob}\tfile-with-a-name.py\n"
    for _ in range(3):
        tree = git(judge.upstream.path, "mktree", stdin=entry)
        entry = "".join(f"040000 tree {tree}\tdirectory-{number}\n" for number in range(45))
    tree = git(judge.upstream.path, "mktree", stdin=entry)
    git(judge.upstream.path, "read-tree", "--prefix=many", tree)
    outcome = judge.commit()
    assert "max_files" in outcome.get("refusal", "max_files")


def test_links_of_megabytes_are_refused_without_reading_them(judge: Judge) -> None:
    large = judge.upstream.path / "large"
    lines = ""
    for number in range(4):
        large.write_bytes(b"%d" % number * (30 << 20))
        lines += f"120000 {git(judge.upstream.path, 'hash-object', '-w', 'large')}\tlink{number}\n"
    large.unlink()
    assert "a symbolic link to a name of 31457280 bytes" in judge.index(lines)["refusal"]
