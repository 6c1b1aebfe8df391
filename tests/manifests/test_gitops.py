"""The objects for Argo CD and Flux, and that both tools build the same as kubectl."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from hack.lab.addons import modules
from hack.lab.addons.crds import source
from hack.lab.node.build import build_modules, programs_of
from hack.lab.node.plan import cache_folder
from tests.manifests import crds
from tests.manifests.stack import GITOPS, OVERLAYS, ROOT, Object, build, names, of_kind, rendered
from tests.manifests.test_build import unknown_fields
from tests.manifests.test_components import COMPONENTS, overlay_of

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.build import Module


@pytest.fixture(scope="session", params=[pytest.param(tool, id=tool) for tool in GITOPS])
def told(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    return build(ROOT / "overlays" / request.param)


def project() -> Object:
    (found,) = of_kind(build(ROOT / "overlays" / "argocd"), "AppProject")
    return found


def test_every_object_is_as_the_tool_has_it(told: tuple[Object, ...]) -> None:
    for each in told:
        assert crds.is_custom(each)
        assert not crds.problems(each)
        assert not unknown_fields("V1ObjectMeta", each["metadata"], each["kind"])


def test_every_overlay_is_known_to_both_tools() -> None:
    applications = of_kind(build(ROOT / "overlays" / "argocd"), "Application")
    assert {each["spec"]["source"]["path"] for each in applications} == {f"overlays/{name}" for name in OVERLAYS}
    kustomizations = of_kind(build(ROOT / "overlays" / "flux"), "Kustomization")
    paths = {each["spec"]["path"] for each in kustomizations}
    assert paths == {f"./{folder}/{name}" for name in OVERLAYS for folder in ("overlays", "secrets")}


def test_what_flux_depends_on_is_there() -> None:
    objects = build(ROOT / "overlays" / "flux")
    known = {(each["kind"], each["metadata"]["name"]) for each in objects}
    for each in of_kind(objects, "Kustomization"):
        assert (each["spec"]["sourceRef"]["kind"], each["spec"]["sourceRef"]["name"]) in known
        assert all(("Kustomization", needed["name"]) in known for needed in each["spec"].get("dependsOn", ()))


def test_no_tool_removes_data() -> None:
    for each in of_kind(build(ROOT / "overlays" / "flux"), "Kustomization"):
        assert each["spec"]["prune"] is not each["metadata"]["name"].endswith("-secrets")
    allowed = project()["spec"]
    assert allowed["clusterResourceWhitelist"] == []
    kinds = {each["kind"] for each in allowed["namespaceResourceWhitelist"]}
    assert not kinds & {"Secret", "PersistentVolumeClaim", "*"}


@pytest.mark.parametrize("what", [*OVERLAYS, *COMPONENTS])
def test_the_project_allows_every_kind_that_is_built(what: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = ROOT / "overlays" / what if what in OVERLAYS else overlay_of((what,), tmp_path_factory.mktemp("one"))
    allowed = {(each["group"], each["kind"]) for each in project()["spec"]["namespaceResourceWhitelist"]}
    built = {(crds.group_of(each), each["kind"]) for each in build(directory)}
    assert built <= allowed, f"overlays/argocd/project.yaml lacks {built - allowed}"


@pytest.mark.parametrize(
    ("module", "group"),
    [
        pytest.param(modules.ARGOCD, "argoproj.io", id="argocd"),
        pytest.param(modules.SOURCE_CONTROLLER, "source.toolkit.fluxcd.io", id="source-controller"),
        pytest.param(modules.KUSTOMIZE_CONTROLLER, "kustomize.toolkit.fluxcd.io", id="kustomize-controller"),
    ],
)
def test_what_runs_has_the_definitions_of_its_own_version(module: Module, group: str) -> None:
    assert (module.main, module.version) == (source(group).module, source(group).version)


@pytest.mark.parametrize("tool", GITOPS)
def test_the_repository_is_named_once(tool: str) -> None:
    text = "".join(file.read_text() for file in sorted((ROOT / "overlays" / tool).glob("*.yaml")))
    assert len(re.findall(r"https://git\.example\.org/\S+", text)) == 1


@pytest.fixture(scope="session")
def kustomize() -> Path:
    """The release that the pinned Argo CD was tested with; it is built once, in a minute."""
    cache = cache_folder(os.environ)
    build_modules(cache, [modules.KUSTOMIZE])
    return programs_of(cache, modules.KUSTOMIZE) / "kustomize"


@pytest.mark.parametrize("what", [*OVERLAYS, *GITOPS])
def test_the_tools_build_what_kubectl_builds(what: str, kustomize: Path) -> None:
    directory = ROOT / "overlays" / what
    as_flux_does = "--load-restrictor=LoadRestrictionsNone"
    for options in ([], [as_flux_does]):
        done = subprocess.run([kustomize, "build", *options, directory], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == rendered(directory)


def test_the_external_secrets_are_those_that_an_operator_makes(tmp_path: Path) -> None:
    subprocess.run([ROOT / "hack/kube-airflow", "secrets", "--overlay", "prod", "--output", tmp_path], check=True)
    objects = build(ROOT / "examples" / "gitops" / "external-secrets")
    assert not [problem for each in objects for problem in crds.problems(each)]
    made = {file.stem for file in tmp_path.iterdir()}
    assert names(objects, "ExternalSecret") == made | {"prod-gitsync-repository"}
    (store,) = names(objects, "SecretStore")
    assert {each["spec"]["secretStoreRef"]["name"] for each in of_kind(objects, "ExternalSecret")} == {store}


def test_the_sops_sample_has_every_secret_and_nothing_in_plain_text(tmp_path: Path) -> None:
    subprocess.run([ROOT / "hack/kube-airflow", "secrets", "--overlay", "prod", "--output", tmp_path], check=True)
    sample = ROOT / "examples" / "gitops" / "sops" / "prod"
    assert {file.name for file in sample.iterdir()} == {file.name for file in tmp_path.iterdir()}
    for file in sample.iterdir():
        secret, fresh = (yaml.safe_load((folder / file.name).read_text()) for folder in (sample, tmp_path))
        assert secret["stringData"].keys() == fresh["stringData"].keys()
        assert all(value.startswith("ENC[AES256_GCM,") for value in secret["stringData"].values())


def test_the_sealed_sample_has_every_secret_and_lets_them_stay(tmp_path: Path) -> None:
    subprocess.run([ROOT / "hack/kube-airflow", "secrets", "--overlay", "prod", "--output", tmp_path], check=True)
    sample = ROOT / "examples" / "gitops" / "sealed-secrets"
    assert {file.name for file in sample.iterdir()} == {file.name for file in tmp_path.iterdir()}
    for file in sample.iterdir():
        sealed, fresh = (yaml.safe_load((folder / file.name).read_text()) for folder in (sample, tmp_path))
        assert not crds.problems(sealed)
        assert sealed["spec"]["encryptedData"].keys() == fresh["stringData"].keys()
        made = sealed["spec"]["template"]["metadata"]
        settings = ("managed", "skip-set-owner-references")
        assert made["annotations"] == {f"sealedsecrets.bitnami.com/{name}": "true" for name in settings}
