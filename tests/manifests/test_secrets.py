"""`secrets` makes missing Secrets, and never changes existing values."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.manifests.stack import ROOT

if TYPE_CHECKING:
    from pathlib import Path

AWKWARD = """a"b'c/d\\e@:#%? $x$(HOME)"""
KUBECTL = """#!/usr/bin/env python3
# Keeps Secrets as files: what `secrets` asks of kubectl, and no more.
import base64, json, os, pathlib, sys
store = pathlib.Path(os.environ["STORE"])
words = sys.argv[1:]
if words[:2] == ["get", "--raw=/version"]:
    sys.exit()
assert words[:2] == ["--namespace", "airflow"], words
verb = words[2]
if verb == "get":
    file = store / words[4]
    print(file.read_text() if file.exists() else "", end="")
else:
    given = json.load(sys.stdin)
    name = given["metadata"]["name"] if verb == "create" else words[4]
    file = store / name
    assert file.exists() == (verb == "patch"), words
    data = json.loads(file.read_text())["data"] if verb == "patch" else {}
    data |= {key: base64.b64encode(value.encode()).decode() for key, value in given.get("stringData", {}).items()}
    data |= given.get("data", {})
    file.write_text(json.dumps({"data": data}))
"""


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "hack/kube-airflow"), "secrets", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def contents(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    assert run("--prefix", "", "--output", str(tmp_path), "--dev").returncode == 0
    before = contents(tmp_path)
    again = run("--prefix", "", "--output", str(tmp_path), "--dev")
    assert (again.returncode, again.stdout) == (0, "")
    assert contents(tmp_path) == before


def test_files_are_private_and_nothing_is_said_of_their_content(tmp_path: Path) -> None:
    said = run("--output", str(tmp_path), "--prefix", "prod-").stdout
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not [value for value in json.loads(path.read_text())["stringData"].values() if value in said]


def test_without_dev_there_is_nothing_of_the_git_server(tmp_path: Path) -> None:
    run("--prefix", "", "--output", str(tmp_path))
    assert contents(tmp_path).keys() == {
        f"{name}.yaml" for name in ("airflow", "flower", "gitsync", "postgres", "rabbitmq")
    }


def test_two_runs_elsewhere_share_no_value(tmp_path: Path) -> None:
    values = []
    for place in ("one", "two"):
        run("--prefix", "", "--output", str(tmp_path / place))
        for path in (tmp_path / place).iterdir():
            values += json.loads(path.read_text())["stringData"].values()
    assert len(values) == len(set(values))
    assert min(len(value) for value in values) >= 32


def test_the_keys_are_of_the_kind_that_airflow_wants(tmp_path: Path) -> None:
    run("--prefix", "", "--output", str(tmp_path))
    airflow = json.loads((tmp_path / "airflow.yaml").read_text())["stringData"]
    assert len(base64.urlsafe_b64decode(airflow["fernet-key"])) == 32
    assert len(airflow["jwt-secret"]) >= 64


def test_given_values_are_kept_whatever_characters_they_have(tmp_path: Path) -> None:
    run("--prefix", "", "--output", str(tmp_path), "--dev", "--value", f"git-server/password={AWKWARD}=")
    for name in ("git-server", "gitsync-repository"):
        assert json.loads((tmp_path / f"{name}.yaml").read_text())["stringData"] == {"password": f"{AWKWARD}="}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param("postgres/nobody=1", "postgres/airflow-password", id="unknown-key"),
        pytest.param("postgres/airflow-password", "NAME/KEY=VALUE", id="no-value"),
        pytest.param("flower/basic-auth=admin:a,b", "comma", id="comma"),
    ],
)
def test_a_wrong_value_is_named(value: str, said: str, tmp_path: Path) -> None:
    done = run("--prefix", "", "--output", str(tmp_path), "--value", value)
    assert done.returncode == 1
    assert done.stderr.startswith("hack/kube-airflow secrets: ")
    assert said in done.stderr
    assert not contents(tmp_path)


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """An environment in which kubectl keeps its Secrets in ``STORE``."""
    program = tmp_path / "bin/kubectl"
    program.parent.mkdir()
    program.write_text(KUBECTL)
    program.chmod(0o755)
    (tmp_path / "store").mkdir()
    return {"PATH": f"{program.parent}:/usr/local/bin:/usr/bin:/bin", "STORE": str(tmp_path / "store")}


def test_on_a_cluster_only_missing_keys_are_added(cluster: dict[str, str], tmp_path: Path) -> None:
    old = base64.b64encode(b"old").decode()
    (tmp_path / "store/dev-airflow").write_text(json.dumps({"data": {"admin-password": old}}))
    done = run("--namespace", "airflow", "--prefix", "dev-", "--dev", environment=cluster)
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "store/dev-airflow").read_text())["data"]
    assert data["admin-password"] == old
    assert data.keys() == {"admin-password", "api-secret-key", "fernet-key", "jwt-secret"}
    printed = run("--namespace", "airflow", "--prefix", "dev-", "--print-admin", environment=cluster)
    assert printed.stdout == "old\n"


def test_a_missing_password_is_said_and_not_made(cluster: dict[str, str], tmp_path: Path) -> None:
    done = run("--namespace", "airflow", "--prefix", "dev-", "--print-admin", environment=cluster)
    assert done.returncode == 1
    assert "run without --print-admin" in done.stderr
    assert not contents(tmp_path / "store")
