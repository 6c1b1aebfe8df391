"""A release: the reasons to refuse one, its bills of materials, and that two runs give the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import git
import pytest

import gitsync
from hack.lab.images.catalog import Image, chosen
from hack.lab.images.root import ImageRoot
from hack.lab.release import archive, files, sbom, source
from hack.lab.release.source import ReleaseError, Source
from tests.unit.archives import File, Layer, docker_archive

CHECKOUT = Path(__file__).parents[2]
IMAGE = Image(name="small", reference="kube-airflow/small:1", dockerfile="small/Dockerfile", inputs=("small",))
DIGEST = f"sha256:{'0a' * 32}"
TAG = f"v{gitsync.__version__}"
STATUS = b"""\
Package: bash
Status: install ok installed
Architecture: amd64
Source: bash-source (5.2)
Version: 1:5.2-2+b10
Description: GNU Bourne Again SHell
 with a second line

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2026b-0+deb13u1
"""
ROOT: list[Layer] = [
    {
        "usr/lib/os-release": File(b'NAME="Debian GNU/Linux"\nVERSION_ID="13"\nID=debian\n'),
        "var/lib/dpkg/status": File(b"of the base"),
        "opt/venv/lib/Gone-1.dist-info/METADATA": File(b"Metadata-Version: 2.4\nName: Gone\nVersion: 1\n"),
    },
    {
        "var/lib/dpkg/status": File(STATUS),
        "opt/venv/lib/.wh.Gone-1.dist-info": File(),
        "opt/venv/lib/Zope.Event-2.dist-info/METADATA": File(
            b"Metadata-Version: 2.4\nName: Zope.Event\nVersion: 2\nLicense-Expression: MIT OR Apache-2.0\n\nText.\n"
        ),
    },
]


def tagged(**changes: object) -> Source:
    """Return what a release is made of."""
    known = {"version": "1.2.3", "commit": "ab" * 20, "time": 1_800_000_000, "tags": ("v1.2.3",), "changed": ()}
    return Source(**{**known, "notes": "Notes.\n", **changes})  # type: ignore[arg-type] # of the test's own words


@pytest.mark.parametrize("name", ["gitsync", "git-server"])
def test_what_is_only_the_project_s_has_the_package_s_version(name: str) -> None:
    (image,) = chosen([name])
    assert image.reference == f"kube-airflow/{name}:{gitsync.__version__}"


def test_the_changelog_describes_the_version() -> None:
    assert f"\n## [{gitsync.__version__}] - " in (CHECKOUT / "CHANGELOG.md").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> git.Repo:
    repository = git.Repo.init(tmp_path / "checkout")
    with repository.config_writer() as config:
        config.set_value("user", "name", "Somebody")
        config.set_value("user", "email", "somebody@example.org")
    (tmp_path / "checkout" / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## [Unreleased]\n\n## [{gitsync.__version__}] - 2026-12-01\n### Added\n- All.\n\n"
        "## [0.0.1] - 2026-11-01\n- Old.\n"
    )
    repository.git.add(".")
    repository.index.commit("All")
    return repository


def read(repository: git.Repo) -> Source:
    return source.read(Path(repository.working_dir))


def test_a_tagged_commit_without_changes_makes_a_release(checkout: git.Repo) -> None:
    checkout.create_tag(TAG, message="annotated")
    assert read(checkout).refusal is None
    assert read(checkout).notes == "### Added\n- All.\n"
    assert read(checkout).time == checkout.head.commit.committed_date


def test_without_a_tag_the_refusal_names_the_one_that_is_missing(checkout: git.Repo) -> None:
    checkout.create_tag("not-a-version")
    assert read(checkout).refusal == (
        f"commit {checkout.head.commit.hexsha[:12]} has no tag {TAG}: `git tag --annotate {TAG}`, "
        "or try it with `make release TRY=1`"
    )


def test_another_version_as_the_tag_is_refused(checkout: git.Repo) -> None:
    checkout.create_tag("v99.0.0")
    assert "is tagged v99.0.0, but gitsync/__init__.py says" in (read(checkout).refusal or "")


def test_an_earlier_commit_s_tag_is_not_this_one_s(checkout: git.Repo) -> None:
    checkout.create_tag(TAG)
    checkout.index.commit("More")
    assert "has no tag" in (read(checkout).refusal or "")


@pytest.mark.parametrize("name", ["CHANGELOG.md", "new.txt"])
def test_changes_that_no_commit_has_are_refused_by_name(name: str, checkout: git.Repo) -> None:
    checkout.create_tag(TAG)
    with Path(checkout.working_dir, name).open("a") as file:
        file.write("more\n")
    assert f"does not have {name}: commit the changes, or try it with" in (read(checkout).refusal or "")


@pytest.mark.parametrize("heading", ["[Unreleased]", f"[{gitsync.__version__}] - not released yet"])
def test_a_version_that_the_changelog_does_not_date_is_refused(heading: str, checkout: git.Repo) -> None:
    Path(checkout.working_dir, "CHANGELOG.md").write_text(f"# Changelog\n\n## {heading}\n- All.\n")
    checkout.git.commit("--all", "--message", "Undescribed")
    checkout.create_tag(TAG)
    assert f"CHANGELOG.md has no heading `## [{gitsync.__version__}] - YEAR-MONTH-DAY`: " in (
        read(checkout).refusal or ""
    )


def test_what_is_no_checkout_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"is no Git checkout: clone the repository$"):
        source.read(tmp_path)


@pytest.mark.parametrize("arguments", [["--try", "no-such-image"], ["git-server"]])
def test_the_command_ends_with_one_sentence(arguments: list[str]) -> None:
    """No release has `git-server` alone."""
    command = [sys.executable, "-m", "hack.lab.release", *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("release: ")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def bill(tmp_path: Path) -> Any:
    with ImageRoot(docker_archive(tmp_path / "image.tar", ROOT)) as root:
        return json.loads(sbom.document(IMAGE, DIGEST, root, tagged()))


def test_the_bill_of_materials_names_what_is_installed(bill: dict[str, Any]) -> None:
    assert {component["purl"] for component in bill["components"]} == {
        "pkg:deb/debian/bash@1:5.2-2%2Bb10?arch=amd64&distro=debian-13&upstream=bash-source%405.2",
        "pkg:deb/debian/tzdata@2026b-0%2Bdeb13u1?arch=all&distro=debian-13",
        "pkg:pypi/zope-event@2",
    }
    (zope,) = [component for component in bill["components"] if component["name"] == "zope-event"]
    assert zope["licenses"] == [{"expression": "MIT OR Apache-2.0"}]


def test_the_bill_of_materials_is_of_one_image_and_one_commit(bill: dict[str, Any]) -> None:
    subject = bill["metadata"]["component"]
    assert subject["purl"] == f"pkg:oci/small@{DIGEST}?tag=1"
    assert subject["hashes"] == [{"alg": "SHA-256", "content": "0a" * 32}]
    assert {"name": "kube-airflow:commit", "value": "ab" * 20} in subject["properties"]
    assert bill["metadata"]["timestamp"] == "2027-01-15T08:00:00+00:00"


def test_a_bill_of_materials_is_the_same_each_time(tmp_path: Path, bill: dict[str, Any]) -> None:
    with ImageRoot(docker_archive(tmp_path / "again.tar", ROOT)) as root:
        assert json.loads(sbom.document(IMAGE, DIGEST, root, tagged())) == bill
        assert (
            json.loads(sbom.document(IMAGE, f"sha256:{'0b' * 32}", root, tagged()))["serialNumber"]
            != bill["serialNumber"]
        )


def test_what_is_not_cyclonedx_is_not_written(tmp_path: Path) -> None:
    with (
        ImageRoot(docker_archive(tmp_path / "image.tar", ROOT)) as root,
        pytest.raises(ReleaseError, match=r"the bill of materials of kube-airflow/small:1 is not CycloneDX: .*"),
    ):
        sbom.document(IMAGE, "sha256:no digest", root, tagged())


def test_a_tar_depends_on_names_contents_and_the_given_time_alone(tmp_path: Path) -> None:
    names = [f"{letter}/{number}" for letter in "hgfedcba" for number in range(4)]
    for run, order in enumerate([names, names[::-1]]):
        for name in order:
            path = tmp_path / str(run) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            path.chmod(0o600 + run)
            os.utime(path, (run, run))
        archive.pack(tmp_path / str(run), tmp_path / f"{run}.tar", 1_800_000_000)
    assert (tmp_path / "0.tar").read_bytes() == (tmp_path / "1.tar").read_bytes()
    with tarfile.open(tmp_path / "0.tar") as packed:
        assert packed.getnames() == sorted(names)  # in the order of no directory


def test_the_checksums_are_those_that_sha256sum_checks(tmp_path: Path) -> None:
    (tmp_path / "overlay-prod.yaml").write_text("kind: List\n")
    (tmp_path / "notes.md").write_text("Notes.\n")
    for _ in range(2):  # the second does not list the first
        files.checksums(tmp_path)
    check = ["sha256sum", "--check", "--strict", files.CHECKSUMS]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "notes.md: OK\noverlay-prod.yaml: OK\n")
    (tmp_path / "notes.md").write_text("Others.\n")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_the_wheel_has_the_bundle_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    for folder in ("1", "2"):
        files.wheel(CHECKOUT, tmp_path / folder, tagged())
    (first,), (second,) = (tmp_path / "1").iterdir(), (tmp_path / "2").iterdir()
    assert first.name == f"kube_airflow_gitsync-{gitsync.__version__}-py3-none-any.whl"
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as packed:
        assert packed.getinfo("gitsync/airflow/bundle.py").date_time == (2027, 1, 15, 8, 0, 0)
