"""`secrets`, `rotate` and `backup` on an instance whose names end in a suffix, on a real API server."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from hack.operate.check import references
from hack.operate.check.built import Build
from tests.manifests.stack import ROOT, build, overlay_over

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.server import Api

PREFIX, SUFFIX = "suffixed-", "-v2"


@pytest.fixture(scope="module")
def suffixed(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an overlay with a prefix and a suffix, which is applied."""
    overlay = overlay_over(ROOT / "base", tmp_path_factory.mktemp("suffix"), prefix=PREFIX, instance="suffixed")
    file = overlay / "kustomization.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "nameSuffix": SUFFIX}))
    api.done("apply", "--server-side", "--kustomize", str(overlay))
    return overlay


@pytest.fixture(params=["overlay", "options"])
def which(request: pytest.FixtureRequest, suffixed: Path) -> list[str]:
    """How the instance is named on the command line."""
    named = ["--namespace", "airflow", "--prefix", PREFIX, "--suffix", SUFFIX]
    return ["--overlay", str(suffixed)] if request.param == "overlay" else named


def operate(api: Api, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb on the server."""
    environment = {**os.environ, "KUBECONFIG": str(api.kubeconfig)}
    command = [sys.executable, str(ROOT / "hack/kube-airflow"), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def secret(api: Api, name: str, key: str) -> str:
    """Return a value of a Secret of the instance."""
    found = api.get("secret", f"{PREFIX}{name}{SUFFIX}", "--namespace=airflow")
    return base64.b64decode(found["data"][key]).decode()


def test_secrets_makes_those_that_the_build_names(api: Api, which: list[str], suffixed: Path) -> None:
    done = operate(api, "secrets", *which)
    assert done.returncode == 0, done.stderr
    there = {each["metadata"]["name"] for each in api.get("secrets", "--namespace=airflow")["items"]}
    assert {each.name for each in references.outside(Build(build(suffixed)))} <= there


def test_rotate_changes_them(api: Api, which: list[str]) -> None:
    """A token that gitsync reads at each use: no pod must run for it."""
    operate(api, "secrets", *which)
    before = secret(api, "gitsync", "operator")
    done = operate(api, "rotate", *which, "gitsync/operator")
    assert done.returncode == 0, done.stderr
    assert secret(api, "gitsync", "operator") != before


def test_backup_finds_the_database(api: Api, which: list[str], tmp_path: Path) -> None:
    """No pod runs here, so the dump itself fails: at the pod of the right StatefulSet."""
    done = operate(api, "backup", *which, str(tmp_path / "dump"))
    assert done.returncode == 1
    assert "there is no statefulset" not in done.stderr
    assert f"{PREFIX}postgres{SUFFIX}" in done.stderr
