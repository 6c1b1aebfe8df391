"""The encrypted sample, with the real sops and the key that everybody has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from hack.gitops import modules
from hack.node.build import build_modules, programs_of
from hack.node.plan import cache_folder
from tests.manifests.stack import ROOT

SAMPLE = ROOT / "examples" / "gitops" / "sops"
KEY = Path(__file__).parent / "age-test.key"


@pytest.mark.parametrize("file", sorted(SAMPLE.glob("prod/*.yaml")), ids=lambda file: file.stem)
def test_a_secret_decrypts_to_what_hack_secrets_writes(file: Path, tmp_path: Path) -> None:
    cache = cache_folder(os.environ)
    build_modules(cache, [modules.SECRETS])
    command = [str(programs_of(cache, modules.SECRETS) / "sops"), "decrypt", str(file)]
    environment = {**os.environ, "SOPS_AGE_KEY_FILE": str(KEY)}
    decrypted = yaml.safe_load(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    subprocess.run([str(ROOT / "hack" / "secrets"), "--prefix", "prod-", "--output", str(tmp_path)], check=True)
    fresh = yaml.safe_load((tmp_path / file.name).read_text())
    assert {**decrypted, "stringData": sorted(decrypted["stringData"])} == {
        **fresh,
        "stringData": sorted(fresh["stringData"]),
    }
    assert not [value for value in decrypted["stringData"].values() if not value or value.startswith("ENC[")]
