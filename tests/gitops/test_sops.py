"""The encrypted sample decrypts to the Secrets that `hack/kube-airflow secrets` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.gitops.sops import SAMPLE, decrypted, fresh

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("file", sorted(SAMPLE.glob("prod/*.yaml")), ids=lambda file: file.stem)
def test_a_secret_decrypts_to_what_hack_secrets_writes(file: Path, tmp_path: Path) -> None:
    found = decrypted(file)
    wanted = yaml.safe_load((fresh(tmp_path) / file.name).read_text())
    assert {**found, "stringData": sorted(found["stringData"])} == {
        **wanted,
        "stringData": sorted(wanted["stringData"]),
    }
    assert not [value for value in found["stringData"].values() if not value or value.startswith("ENC[")]
