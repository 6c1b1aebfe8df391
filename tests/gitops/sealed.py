"""Runs the real kubeseal, with the public key and certificate of the samples."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from hack.lab.addons import modules
from hack.lab.node.build import build_modules, programs_of
from hack.lab.node.plan import cache_folder
from tests.manifests.stack import ROOT

SAMPLE = ROOT / "examples" / "gitops" / "sealed-secrets"
KEY = Path(__file__).parent / "sealed-test.key"
CERTIFICATE = KEY.with_suffix(".crt")


def programs() -> Path:
    """Where kubeseal and the controller are; they are built if they are not."""
    cache = cache_folder(os.environ)
    build_modules(cache, [modules.SEALED_SECRETS])
    return programs_of(cache, modules.SEALED_SECRETS)


def unsealed(file: Path) -> Any:
    """The Secret that a SealedSecret becomes, as its key's owner reads it without a controller."""
    command = [str(programs() / "kubeseal"), "--recovery-unseal", "--recovery-private-key", str(KEY)]
    result = subprocess.run(command, input=file.read_text(), capture_output=True, text=True, check=True)
    return yaml.safe_load(result.stdout)
