"""Any configuration and any repository gives a good result, or an error that names the fault."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gitsync.airflow.policy import TreePolicy, objection
from gitsync.errors import GitSyncError, SettingsError
from gitsync.settings import load
from tests.examples import examples
from tests.unit.mirrors import publish
from tests.unit.test_hostile import Forger

if TYPE_CHECKING:
    from tests.unit.conftest import Upstream
    from tests.unit.mirrors import MakeMirror

GOOD: dict[str, Any] = {
    "sources": [
        {
            "name": "dags", "repo": "https://git.example.org/dags.git", "ref": "main", "period": 60, "timeout": 5,
            "clone": {"depth": 1, "filter": "blob:none", "sparse": ["dags"], "submodules": "off"},
            "credentials": {"username": "git", "urls": [{"url": "https://other.example.org/", "username": "u"}]},
            "policy": {"scope": "global", "max_defer": 60, "at_deadline": "pin", "exempt": ["a*"]},
            "windows": {"freeze": [{"cron": "0 22 * * *", "duration": "2h", "timezone": "Europe/Berlin"}]},
            "gate": {"policy": "strict", "check": ["pytest"], "variables": {"a": "b"}},
            "tree": {"symlinks": "refuse", "max_files": 10},
            "signatures": {"mode": "commit", "ssh_allowed_signers": "/etc/signers"},
            "notify": {"webhooks": [{"url": "https://hooks.example.org/"}]},
            "webhook": {"secret_files": ["/etc/secret"]},
        }
    ],
    "database": {"host": "postgres", "port": 5432},
    "lock": {"wait": 10, "limit": 45},
    "fleet": {"flip_within": 10},
}  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner))
QUICK = settings(max_examples=examples(150), deadline=None, database=None, suppress_health_check=list(HealthCheck))


def paths(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where every value in ``value`` stands."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, item in items for path in paths(item, (*at, key)))]


def told(error: GitSyncError, *names: str) -> None:
    """One line for the person who must act."""
    assert "\n" not in str(error)
    assert all(name in str(error) for name in names)


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def test_the_good_configuration_is_good(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(yaml.safe_dump(GOOD))
    assert load(tmp_path / "good.yaml", {}).sources[0].gate.check == ("pytest",)


@QUICK
@example(where=(), by={"line\nbreak": None}, extra="")
@given(where=st.sampled_from(paths(GOOD)), by=VALUES, extra=st.text(max_size=3))
def test_a_configuration_is_taken_or_its_fault_is_named(where: tuple[str | int, ...], by: object, extra: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "gitsync.yaml"
        file.write_text(yaml.safe_dump(replaced(GOOD, where, by), allow_unicode=True) + extra, errors="surrogateescape")
        try:
            load(file, {})
        except SettingsError as error:
            told(error, str(file))


NAMES = st.one_of(
    st.sampled_from([b"dag.py", b"DAG.py", b".gitattributes", b".gitmodules", b"a", b"..", b".git", b"a\\b", b"\xff"]),
    st.binary(min_size=1, max_size=6).map(lambda name: name.replace(b"\0", b"0").replace(b"/", b"_")),
)
KINDS = st.sampled_from(["100644", "100755", "120000", "160000"])
CONTENTS = st.one_of(
    st.sampled_from([b"/etc/passwd", b"..", b"../../x", b"dag.py", b"* filter=x ident eol=crlf\n", b"[submodule"]),
    st.binary(max_size=40),
)


@settings(QUICK, max_examples=examples(40))
@given(entries=st.lists(st.tuples(KINDS, NAMES, CONTENTS), min_size=1, max_size=5, unique_by=lambda entry: entry[1]))
@example(entries=[("100644", b".gitattributes", b"* text eol=crlf\n"), ("100644", b"dag.py", b"one\n")])
@example(entries=[("120000", b"a", b"../../x"), ("100644", b"dag.py", b"one\n")])
def test_a_repository_is_written_as_it_is_or_refused(
    upstream: Upstream, make_mirror: MakeMirror, entries: list[tuple[str, bytes, bytes]]
) -> None:
    """What passes the policy is on disk byte for byte, and nothing else is."""
    forger = Forger(upstream)
    order = sorted(entries, key=lambda entry: entry[1])
    forger.push(*((kind, name, forger.write("blob", content)) for kind, name, content in order))
    mirror = make_mirror()
    with tempfile.TemporaryDirectory() as directory:
        try:
            revision = publish(mirror, upstream)
            if objection(mirror.files(revision), mirror.read, TreePolicy()):
                return
            mirror.write_files(revision, Path(directory))
        except GitSyncError as error:
            told(error)
            return
        expected = {os.fsdecode(name): content for kind, name, content in entries if kind != "160000"}
        written = {file.name: file for file in Path(directory).iterdir()}
        assert written.keys() == expected.keys()
        for name, file in written.items():
            found = os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
            assert found == expected[name]
