"""Every recipe of docs/overlays.md, and every part of an overlay in a component's README, builds what it says."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.operate.check.built import Build
from tests.manifests.faults import faults
from tests.manifests.recipes import ELSEWHERE, RECIPES
from tests.manifests.stack import ROOT, WORKLOADS, build, containers, name, names, of_kind, overlay_over, tiers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.manifests.recipes import Recipe
    from tests.manifests.stack import Object

    Built = Callable[[Recipe], tuple[Object, ...]]

ASKED = {
    "variables": "Variables for one tier",
    "volumes": "A volume",
    "StorageClass": "StorageClass and size of a database's volume",
    "sidecars": "A sidecar",
    "init containers": "An init container",
    "pull secrets": "Pull secrets",
    "accounts": "Annotations of service accounts",
    "foreign pods": "Pods of others in a policy",
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Object, ...]:
    """The overlay without a recipe."""
    return build(overlay_over(ROOT / "base", tmp_path_factory.mktemp("plain"), prefix="prod-", instance="prod"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """What a recipe builds; each is built once."""
    return cache(lambda recipe: build(recipe.write(tmp_path_factory.mktemp("recipe"))))


def titled(title: str) -> Recipe:
    """Return the recipe under a heading of the page."""
    (recipe,) = (each for each in RECIPES if each.title == title)
    return recipe


def test_the_page_has_what_people_ask_for() -> None:
    assert set(ASKED.values()) <= {each.title for each in RECIPES}
    assert len(ELSEWHERE) > 10


@pytest.mark.parametrize("recipe", [*RECIPES, *ELSEWHERE], ids=str)
def test_a_recipe_builds_without_a_fault(recipe: Recipe, built: Built) -> None:
    assert faults(built(recipe)) == []


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_recipe_takes_nothing_away(recipe: Recipe, plain: tuple[Object, ...], built: Built) -> None:
    if recipe.title == "Without Flower":
        return
    after = {each.owner["metadata"]["name"]: each for each in Build(built(recipe)).pods}
    for before in Build(plain).pods:
        pod = after[before.owner["metadata"]["name"]]
        for container in before.containers:
            (same,) = (each for each in pod.containers if each["name"] == container["name"])
            for field in ("envFrom", "env", "volumeMounts", "ports", "securityContext"):
                assert called(container.get(field)) <= called(same.get(field)), f"{container['name']}: {field}"
        assert called(before.spec["volumes"]) <= called(pod.spec["volumes"])
        claims = [each["spec"].get("accessModes") for each in pod.owner["spec"].get("volumeClaimTemplates", [])]
        assert all(claims)


@pytest.mark.parametrize("recipe", [*RECIPES, *ELSEWHERE], ids=str)
def test_the_values_of_a_recipe_are_those_of_the_build(recipe: Recipe, built: Built) -> None:
    """A component that sets the same key of a generated ConfigMap would win over the overlay."""
    data = {base_name(each): each.get("data", {}) for each in of_kind(built(recipe), "ConfigMap")}
    for config_map, wanted in values(recipe):
        assert wanted.items() <= data[config_map].items()


def values(recipe: Recipe) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what a recipe sets in which ConfigMap."""
    for generator in recipe.content.get("configMapGenerator", ()):
        yield generator["name"], dict(each.split("=", 1) for each in generator.get("literals", ()))
    for entry in recipe.content.get("patches", ()):
        patch = yaml.safe_load(entry["patch"])
        if isinstance(patch, dict) and patch["kind"] == "ConfigMap":
            target = entry.get("target", patch["metadata"])
            yield from ((each, patch["data"]) for each in target["name"].split("|"))


def base_name(found: Object) -> str:
    """Return the name of a generated ConfigMap without prefix and hash."""
    return name(found).removeprefix("prod-").rpartition("-")[0]


def called(items: Any) -> set[str]:
    """Return the names of the items of a list, or the keys of a mapping; a ConfigMap's name is without its hash."""
    if isinstance(items, dict):
        return set(items)
    referred = [each.get("configMapRef") or each.get("secretRef") for each in items or ()]
    return {
        str(reference["name"]).rpartition("-")[0] if reference else str(each.get("name"))
        for each, reference in zip(items or (), referred, strict=True)
    }


def test_a_list_of_variables_grows(built: Built) -> None:
    objects = built(titled("All variables of a ConfigMap or a Secret"))
    (team,) = (each for each in names(objects, "ConfigMap") if each.startswith("prod-team-"))
    for tier in ("api-server", "scheduler", "dag-processor", "triggerer", "worker", "flower"):
        added = tiers(objects)[tier]["containers"][0]["envFrom"][-2:]
        assert added == [{"configMapRef": {"name": team}}, {"secretRef": {"name": "prod-team"}}], tier


def test_a_claim_keeps_its_other_fields(built: Built) -> None:
    objects = built(titled("StorageClass and size of a database's volume"))
    claims = {
        name(each): each["spec"]["volumeClaimTemplates"][0]["spec"]
        for each in of_kind(objects, "StatefulSet")
        if "volumeClaimTemplates" in each["spec"]
    }
    assert claims["prod-postgres"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "100Gi"}},
    }
    assert {claims[f"prod-{each}"]["storageClassName"] for each in ("gitsync", "rabbitmq")} == {"standard"}


def test_containers_are_added_at_the_end(built: Built) -> None:
    first = tiers(built(titled("A sidecar")))["api-server"]
    assert [each["name"] for each in containers(first)] == ["wait", "airflow", "proxy"]
    second = tiers(built(titled("An init container")))["worker"]
    assert [each["name"] for each in second["initContainers"]] == ["gitsync", "wait", "model"]


def test_every_pod_has_the_pull_secret(built: Built) -> None:
    for each in of_kind(built(titled("Pull secrets")), *WORKLOADS):
        assert each["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "registry-example-org"}]


def test_accounts_are_annotated_and_used(built: Built) -> None:
    objects = built(titled("Annotations of service accounts"))
    (account,) = (each for each in of_kind(objects, "ServiceAccount") if name(each) == "prod-tasks")
    assert account["metadata"]["annotations"]
    assert {tiers(objects)[each]["serviceAccountName"] for each in ("worker", "triggerer")} == {"prod-tasks"}


def test_a_selector_for_pods_of_others_is_as_written(built: Built) -> None:
    (policy,) = of_kind(built(titled("Pods of others in a policy")), "NetworkPolicy")
    (peer,) = policy["spec"]["ingress"][0]["from"]
    assert peer["podSelector"].keys() == {"matchExpressions"}
    assert policy["spec"]["podSelector"]["matchLabels"]["kube-airflow/instance"] == "prod"
