"""Building images: what identifies one, what goes into it, and when the node needs it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hack.images import load
from hack.images.catalog import IMAGES, Image, ImagesError, chosen
from hack.images.engine import Docker
from hack.images.inputs import gather, key, stage
from hack.images.workshop import Workshop

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


def test_a_missing_input_is_named(checkout: Path) -> None:
    with pytest.raises(ImagesError, match=r"nowhere does not exist"):
        gather(IMAGE, checkout, {"DAGS": checkout / "nowhere"})


def test_what_is_built_is_not_built_again(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pretend_docker(tmp_path, monkeypatch)
    for _ in range(2):
        archive = Workshop(checkout, tmp_path / "cache", {}).build(IMAGE)
        assert archive.read_text() == "an archive\n"
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


def pretend_docker(folder: Path, monkeypatch: pytest.MonkeyPatch, then: str = "") -> Path:
    """Put a `docker` in front that notes its calls and writes the archive that `save` is asked for."""
    programs, calls = folder / "programs", folder / "calls"
    programs.mkdir()
    docker = programs / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n[ "$1" != save ] || echo an archive > "$3"\n{then}\n')
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
    assert "BASE_IMAGE=debian:trixie-slim" in commands[1]


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
        "registry.example/kube-airflow/airflow:3.3.2 sha256:aa\n"
        "registry.example/kube-airflow/gitsync:0.1.0 sha256:bb\n"
        "localhost/kube-airflow/gitsync:0.1.0 sha256:cc\n"
        "registry.example/library/postgres:17 sha256:dd\n"
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


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_the_base_is_an_argument_with_the_official_default(image: Image) -> None:
    assert "ARG BASE_IMAGE=debian:trixie-slim\n" in (CHECKOUT / image.dockerfile).read_text()
