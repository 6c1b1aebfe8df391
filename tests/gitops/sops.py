"""Runs the real sops, with the sample's configuration and its public key."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from hack.lab.addons import modules
from hack.lab.node.build import build_modules, programs_of
from hack.lab.node.plan import cache_folder
from tests.manifests.stack import ROOT

SAMPLE = ROOT / "examples" / "gitops" / "sops"
KEY = Path(__file__).parent / "age-test.key"


def sops(*arguments: str) -> str:
    """Run it, and return what it printed."""
    cache = cache_folder(os.environ)
    build_modules(cache, [modules.SECRETS])
    command = [str(programs_of(cache, modules.SECRETS) / "sops"), *arguments]
    environment = {**os.environ, "SOPS_AGE_KEY_FILE": str(KEY)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def decrypted(file: Path) -> Any:
    """Return the manifest of a Secret as it was before it was encrypted."""
    return yaml.safe_load(sops("decrypt", str(file)))


def fresh(directory: Path, *options: str) -> Path:
    """Have `hack/kube-airflow secrets` write prod's Secrets in plain text; the directory that has them."""
    program = [str(ROOT / "hack/kube-airflow"), "secrets", "--overlay", "prod"]
    subprocess.run([*program, *options, "--output", str(directory)], check=True)
    return directory


def fill(directory: Path, plain: Path) -> None:
    """Copy the sample to ``directory``, with the DAG repository's Secrets, which are encrypted for this."""
    shutil.copytree(SAMPLE, directory)
    for name in ("prod-git-server.yaml", "prod-gitsync-repository.yaml"):
        target = directory / "prod" / name
        shutil.copy(fresh(plain, "--dev") / name, target)
        sops("--config", str(SAMPLE / ".sops.yaml"), "encrypt", "--in-place", str(target))
