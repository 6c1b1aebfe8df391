"""Building images: an image's key, its inputs, and when the node needs it again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hack.lab.images import base, load
from hack.lab.images.catalog import IMAGES, Image, ImagesError, chosen
from hack.lab.images.engine import Docker
from hack.lab.images.inputs import gather, key, stage
from hack.lab.images.root import ImageRoot
from hack.lab.images.workshop import Workshop
from tests.unit.archives import File, Layer, docker_archive

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT = Path(__file__).parents[2]
IMAGE = Image(
    name="small", reference="kube-airflow/small:1", dockerfile="small/Dockerfile", inputs=("small", "lock.txt")
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "small" / "__pycache__").mkdir(parents=True)
    (folder / "small" / "Dockerfile").write_text("FROM scratch\n")
    (folder / "small" / "start").write_text("#!/bin/sh\n")
    (folder / "small" / "__pycache__" / "x.pyc").write_text("left behind")
    (folder / "lock.txt").write_text("a==1\n")
    (folder / "other.txt").write_text("not an input\n")
    return folder


def test_the_key_follows_content_mode_arguments_and_conditions(checkout: Path) -> None:
    before = key(gather(IMAGE, checkout, {}), "engine")
    (checkout / "other.txt").write_text("changed")
    (checkout / "small" / "__pycache__" / "x.pyc").write_text("changed")
    assert key(gather(IMAGE, checkout, {}), "engine") == before
    keys = {before, key(gather(IMAGE, checkout, {}), "another engine")}
    keys.add(key(gather(IMAGE, checkout, {"DAGS": checkout / "other.txt"}), "engine"))
    (checkout / "small" / "start").chmod(0o755)
    keys.add(key(gather(IMAGE, checkout, {}), "engine"))
    (checkout / "lock.txt").write_text("a==2\n")
    keys.add(key(gather(IMAGE, checkout, {}), "engine"))
    assert len(keys) == 5


def test_the_context_holds_the_inputs_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "one.py").write_text("")
    inputs = gather(IMAGE, checkout, {"DAGS": dags})
    context = tmp_path / "context"
    stage(inputs, context)
    found = {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()}
    assert found == {"small/Dockerfile", "small/start", "lock.txt", "extra/dags/one.py"}
    assert inputs.arguments == {"DAGS": "extra/dags"}


def test_a_list_installs_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """A machine that has neither an engine nor a way to install one."""
    environment = {"PATH": str(tmp_path / "programs"), "KUBE_AIRFLOW_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "hack.lab.images", "list"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [image.reference for image in chosen([])]
    assert not list(tmp_path.iterdir())


def test_a_missing_input_is_named(checkout: Path) -> None:
    with pytest.raises(ImagesError, match=r"nowhere does not exist"):
        gather(IMAGE, checkout, {"DAGS": checkout / "nowhere"})


def test_what_is_built_is_not_built_again(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pretend_docker(tmp_path, monkeypatch)
    for _ in range(2):
        archive = Workshop(checkout, tmp_path / "cache", {}).build(IMAGE)
        assert archive.read_bytes() == (tmp_path / "programs" / "saved.tar").read_bytes()
    assert [line.split()[0] for line in calls.read_text().splitlines()] == ["build", "save"]


def test_old_archives_go(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_docker(tmp_path, monkeypatch)
    archives = []
    for version in "1234":
        (checkout / "lock.txt").write_text(f"a=={version}\n")
        archives.append(Workshop(checkout, tmp_path / "cache", {}).build(IMAGE))
    assert [archive.exists() for archive in archives] == [False, False, True, True]


def test_a_failed_build_shows_the_end_of_its_log(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_docker(tmp_path, monkeypatch, then="echo no such package; exit 3")
    with pytest.raises(ImagesError, match=r"no such package"):
        Workshop(checkout, tmp_path / "cache", {}).build(IMAGE)


@pytest.mark.parametrize("mode", [pytest.param(0o4755, id="setuid"), pytest.param(0o2755, id="setgid")])
def test_an_image_with_a_setuid_program_is_refused(
    mode: int, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_docker(tmp_path, monkeypatch, layers=[{"usr/bin/su": File(mode=mode), "usr/bin/ls": File(mode=0o755)}])
    workshop = Workshop(checkout, tmp_path / "cache", {})
    with pytest.raises(ImagesError, match=r"kube-airflow/small:1 has setuid or setgid programs: usr/bin/su; .*small"):
        workshop.build(IMAGE)
    assert not workshop.archive(IMAGE).exists()


def test_an_image_that_takes_the_right_away_is_built(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = [{"usr/bin/su": File(mode=0o4755)}, {"usr/bin/su": File(mode=0o755)}]
    pretend_docker(tmp_path, monkeypatch, layers=layers)
    assert Workshop(checkout, tmp_path / "cache", {}).build(IMAGE).exists()


def pretend_docker(
    folder: Path, monkeypatch: pytest.MonkeyPatch, then: str = "", layers: Sequence[Layer] = ({},)
) -> Path:
    """Put a `docker` in front that notes its calls, and whose `save` writes an archive of these layers."""
    programs, calls = folder / "programs", folder / "calls"
    programs.mkdir()
    archive = docker_archive(programs / "saved.tar", layers)
    docker = programs / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n[ "$1" != save ] || cp {archive} "$3"\n{then}\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("IMAGE_ENGINE", "docker")
    return calls


def test_docker_fetches_what_is_official_and_builds_what_is_ours(tmp_path: Path) -> None:
    commands: list[list[str]] = []
    for image in chosen(["postgres", "gitsync"]):
        Docker().build(image, tmp_path, {}, lambda command: commands.append(list(command)))
    assert commands[0] == ["docker", "pull", "postgres:17"]
    assert commands[1][:2] == ["docker", "build"]
    assert not [word for word in commands[1] if word.startswith("BASE_IMAGE=")]  # the Dockerfile's own


def test_an_unknown_image_or_engine_is_named(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImagesError, match=r"no image is named airlow; there are airflow,"):
        chosen(["airlow"])
    monkeypatch.setenv("IMAGE_ENGINE", "kaniko")
    with pytest.raises(ImagesError, match=r"IMAGE_ENGINE is 'kaniko'"):
        Workshop(checkout, tmp_path / "cache", {})


def test_the_node_gets_what_it_lacks() -> None:
    airflow, gitsync, postgres = chosen(["airflow", "gitsync", "postgres"])
    archives = {airflow: Path("airflow-1.tar"), gitsync: Path("gitsync-2.tar"), postgres: Path("postgres-3.tar")}
    table = (
        f"registry.example/{airflow.reference} sha256:aa\n"
        f"registry.example/{gitsync.reference} sha256:bb\n"
        f"localhost/{gitsync.reference} sha256:cc\n"
        f"registry.example/library/{postgres.reference} sha256:dd\n"
    )
    record = {
        airflow.reference: ["airflow-1.tar", "sha256:aa"],
        gitsync.reference: ["gitsync-1.tar", "sha256:bb"],  # built anew since
        postgres.reference: ["postgres-3.tar", "sha256:ee"],  # somebody loaded another one
    }
    found = load.digests(table)
    assert list(load.absent(archives, record, found)) == [gitsync, postgres]
    assert list(load.absent(archives, record, {})) == [airflow, gitsync, postgres]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_each_copy_of_a_dockerfile_is_among_the_inputs(image: Image) -> None:
    files = gather(image, CHECKOUT, {}).files
    dockerfile = files[image.dockerfile].read_text().replace("\\\n", " ")
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", dockerfile, re.MULTILINE))
    for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE):
        for source in re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], line).split()[:-1]:
            pattern = re.escape(source.rstrip("/")).replace(r"\*", "[^/]*")
            assert any(re.fullmatch(f"{pattern}(/.*)?", file) for file in files), source


def test_all_images_have_one_base_by_its_digest_and_of_the_release_that_buildah_installs() -> None:
    bases = {
        line
        for image in IMAGES
        for line in re.findall(r"^ARG BASE_IMAGE=(.*)$", (CHECKOUT / image.dockerfile).read_text(), re.MULTILINE)
    }
    assert len(bases) == 1
    form = rf"debian:{base.SUITE}-\d{{8}}-slim@sha256:[0-9a-f]{{64}}"
    assert re.fullmatch(form, bases.pop()), (
        "debian:SUITE-DATE-slim@sha256:DIGEST; CONTRIBUTING.md says where it is found"
    )


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_every_stage_begins_with_the_base(image: Image) -> None:
    """A base written out would escape the digest, and buildah's own."""
    dockerfile = (CHECKOUT / image.dockerfile).read_text()
    stages = set(re.findall(r"^FROM .* AS (\w+)$", dockerfile, re.MULTILINE))
    froms = set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE))
    assert froms - stages == {"${BASE_IMAGE}"}


def test_what_a_later_layer_hides_is_no_file_of_the_image(tmp_path: Path) -> None:
    layers: list[Layer] = [
        {"a/1": File(b"old"), "b/1": File(b""), "b/c/2": File(b""), "d/1": File(b""), "e": File(b""), "f/1": File(b"")},
        {
            "a/1": File(b"new"),
            "b/.wh.c": File(b""),
            "d/.wh..wh..opq": File(b""),
            "d/2": File(b"kept"),
            ".wh.e": File(b""),
        },
        {"f": File(b"was a folder")},
    ]
    with ImageRoot(docker_archive(tmp_path / "image.tar", layers)) as root:
        assert {path: root.read(path) for path in root.files} == {
            "a/1": b"new",
            "b/1": b"",
            "d/2": b"kept",
            "f": b"was a folder",
        }
