"""The builds of overlays: they are repeatable and complete, and contain no stray objects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import models

from tests.manifests import crds
from tests.manifests.conftest import WHOLE, directory
from tests.manifests.stack import ROOT, build, copy_of_the_stack, name, names, of_kind, rendered, strings, tiers

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from tests.manifests.stack import Object

REPLICAS_IN_PROD = {"api-server": 2, "scheduler": 2, "worker": 3, "gitsync": 2}


@pytest.mark.parametrize("what", WHOLE)
def test_two_builds_are_identical(what: str, tmp_path: Path) -> None:
    elsewhere = copy_of_the_stack(tmp_path) / directory(what).relative_to(ROOT)
    assert rendered(directory(what)) == rendered(directory(what)) == rendered(elsewhere)


def test_nothing_is_built_that_must_outlive_the_overlay_or_stay_secret(built: tuple[Object, ...]) -> None:
    assert not of_kind(built, "Secret", "Namespace", "PersistentVolumeClaim", "PersistentVolume")


def test_no_object_is_built_twice(built: tuple[Object, ...]) -> None:
    identities = [(each["kind"], name(each)) for each in built]
    assert len(identities) == len(set(identities))


def model_of(found: Object) -> type[BaseModel]:
    """Return the class that the Kubernetes client has for an object."""
    version = found["apiVersion"].rpartition("/")[2]
    model: type[BaseModel] = getattr(models, f"{version.capitalize()}{found['kind']}")
    return model


def unknown_fields(kind: str, value: Any, path: str) -> list[str]:
    """Return the fields that Kubernetes does not have; it would drop them without a word."""
    container = re.fullmatch(r"(?:List\[|Dict\[str, |list\[|dict\(str, )(.+)[\])]", kind)
    if container and isinstance(value, list):
        return [each for item in value for each in unknown_fields(container[1], item, f"{path}[]")]
    if container and isinstance(value, dict):
        return [each for key, item in value.items() for each in unknown_fields(container[1], item, f"{path}.{key}")]
    model: Any = getattr(models, kind, None)
    if model is None or not isinstance(value, dict):
        return []
    kinds = {json: model.openapi_types[attribute] for attribute, json in model.attribute_map.items()}
    found = [f"{path}.{key}" for key in value.keys() - kinds.keys()]
    for key in value.keys() & kinds.keys():
        found += unknown_fields(kinds[key], value[key], f"{path}.{key}")
    return found


def test_every_object_is_as_the_api_has_it(built: tuple[Object, ...]) -> None:
    for each in built:
        if crds.is_custom(each):
            assert not crds.problems(each)
            assert not unknown_fields("V1ObjectMeta", each["metadata"], f"{each['kind']}.metadata")
            continue
        model = model_of(each)
        model.model_validate(each)
        assert not unknown_fields(model.__name__, each, each["kind"])


def test_prod_survives_the_loss_of_a_pod() -> None:
    built = tuple(of_kind(build(directory("prod")), "Deployment", "StatefulSet"))
    replicas = {name(each).removeprefix("prod-"): each["spec"]["replicas"] for each in built}
    assert REPLICAS_IN_PROD.items() <= replicas.items()
    for each in built:
        if name(each).removeprefix("prod-") in REPLICAS_IN_PROD:
            (spread,) = each["spec"]["template"]["spec"]["topologySpreadConstraints"]
            assert spread["matchLabelKeys"] == ["app.kubernetes.io/component"]
    assert names(build(directory("prod")), "PodDisruptionBudget") == {f"prod-{tier}" for tier in REPLICAS_IN_PROD}


def test_dev_fits_a_small_node() -> None:
    pods = tiers(build(directory("dev"))).values()
    requests = [each["resources"]["requests"] for pod in pods for each in [*sidecars(pod), *pod["containers"]]]
    assert sum(int(each["cpu"].removesuffix("m")) for each in requests) < 1500
    assert sum(int(each["memory"].removesuffix("Mi")) for each in requests) < 4096


def test_every_image_has_an_exact_tag_and_is_not_pulled_again(built: tuple[Object, ...]) -> None:
    for each in built:
        for path, value in strings(each):
            if path.endswith(".image"):
                assert re.search(r":\d[\w.]*$", value), value
            if path.endswith(".imagePullPolicy"):
                assert value == "IfNotPresent"


def sidecars(pod: Object) -> list[Object]:
    return [each for each in pod.get("initContainers", []) if each.get("restartPolicy") == "Always"]
