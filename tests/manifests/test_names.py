"""hack/kube-airflow reads the namespace, names, label, images and Git server of an instance from its build."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.operate.cluster import Cluster
from hack.operate.errors import Failure
from hack.operate.instance import Instance
from hack.operate.overlay import Names, build
from tests.manifests.stack import ROOT, copy_of_the_stack

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def overlays(tmp_path: Path) -> Path:
    return copy_of_the_stack(tmp_path) / "overlays"


def changed(overlay: Path, **fields: Any) -> Path:
    """Give an overlay's kustomization other fields."""
    file = overlay / "kustomization.yaml"
    content = yaml.safe_load(file.read_text()) | fields
    file.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return overlay


@pytest.mark.parametrize("overlay", ["dev", "staging", "prod"])
def test_the_overlays_of_the_repository(overlay: str) -> None:
    built = build(Cluster(), ROOT / "overlays" / overlay)
    assert built.names == Names("airflow", f"{overlay}-", "", overlay)
    assert built.has("git-server") == (overlay == "dev")
    assert "kube-airflow/gitsync" in {image.partition(":")[0] for image in built.images}


@pytest.mark.parametrize(
    ("prefix", "suffix"), [("a-", "-b"), ("", ""), ("my-api-server-", "-scheduler"), ("api-server-", "-api-server")]
)
def test_prefix_and_suffix_are_told_apart(overlays: Path, prefix: str, suffix: str) -> None:
    names = build(Cluster(), changed(overlays / "prod", namePrefix=prefix, nameSuffix=suffix)).names
    assert names == Names("airflow", prefix, suffix, "prod")
    assert names.of("gitsync") == f"{prefix}gitsync{suffix}"


def test_an_overlay_may_leave_out_namespace_and_label(overlays: Path) -> None:
    overlay = changed(overlays / "prod", namespace=None, labels=None)
    assert build(Cluster(), overlay).names == Names(None, "prod-", "", "airflow")


def test_an_overlay_of_two_instances_is_refused(overlays: Path) -> None:
    both = overlays / "both"
    both.mkdir()
    (both / "kustomization.yaml").write_text("resources: [../dev, ../prod]\n")
    with pytest.raises(Failure, match="several instances, dev-, prod-: name the overlay of one"):
        _ = build(Cluster(), both).names


def test_what_does_not_build_is_said_in_one_line(overlays: Path) -> None:
    with pytest.raises(Failure, match=r"prod does not build: .*no-such-file") as failure:
        build(Cluster(), changed(overlays / "prod", resources=["no-such-file.yaml"]))
    assert "\n" not in str(failure.value)


def test_with_a_registry_the_projects_own_images_come_from_there() -> None:
    instance = Instance.of_overlay(Cluster(), ROOT / "overlays/prod")
    with instance.kustomization("registry.example.org/team") as directory:
        found = build(Cluster(), directory).images
    ours = {f"registry.example.org/team/{image}" for image in instance.images if image.startswith("kube-airflow/")}
    assert ours
    assert found == ours | {image for image in instance.images if not image.startswith("kube-airflow/")}


def test_secrets_follow_prefix_and_suffix(overlays: Path, tmp_path: Path) -> None:
    overlay = changed(overlays / "dev", namePrefix="a-", nameSuffix="-b")
    command = [str(ROOT / "hack/kube-airflow"), "secrets", "--overlay", str(overlay), "--output", str(tmp_path / "out")]
    subprocess.run(command, check=True)
    names = ("airflow", "flower", "git-server", "gitsync", "gitsync-repository", "postgres", "rabbitmq")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f"a-{name}-b.yaml" for name in names)


def test_a_suffix_that_begins_with_a_hyphen_is_a_value(tmp_path: Path) -> None:
    command = [str(ROOT / "hack/kube-airflow"), "secrets", "--namespace", "airflow", "--suffix", "-v2"]
    subprocess.run([*command, "--output", str(tmp_path)], check=True, capture_output=True)
    assert {path.stem for path in tmp_path.iterdir()} >= {"airflow-v2", "postgres-v2"}
