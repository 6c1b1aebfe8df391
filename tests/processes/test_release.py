"""What skopeo finds in the archive of a release."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from hack.lab.node.prerequisites import install_missing
from hack.lab.release import archive
from tests.unit.archives import docker_archive
from tests.unit.test_release import IMAGE, ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_an_archive_is_the_same_bytes_each_time_and_says_its_digest(tmp_path: Path) -> None:
    install_missing({"skopeo": "skopeo"})
    built = docker_archive(tmp_path / "image.tar", ROOT)
    first, second = tmp_path / "1.oci.tar", tmp_path / "2.oci.tar"
    digest = archive.write(IMAGE, built, first, 1_800_000_000)
    assert archive.write(IMAGE, built, second, 1_800_000_000) == digest
    assert first.read_bytes() == second.read_bytes()
    shown = subprocess.run(["skopeo", "inspect", f"oci-archive:{first}"], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["Digest"] == digest
