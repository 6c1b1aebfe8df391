"""`new-instance`: its overlays build under their own name, and an impossible name is refused in one line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from hack.operate.errors import Failure
from hack.operate.new_instance import LONGEST, tell_gitops, write
from tests.manifests.stack import ROOT, Object, build, copy_of_the_stack, name, of_kind, strings
from tests.manifests.test_components import COMPONENTS, overlay_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NAME_LIMITS = {
    "Service": 63,
    "StatefulSet": 63 - len("-0123456789"),  # the label with its revision
    "Deployment": 63 - len("-0123456789-01234"),  # the host name of its pods
    "CronJob": 63 - len("-0123456789-01234"),
}


@pytest.fixture
def overlays(tmp_path: Path) -> Path:
    return copy_of_the_stack(tmp_path) / "overlays"


def identities(objects: Iterable[Object], prefix: str) -> list[str]:
    """Return kinds and names without the prefix, and without the hash of what a file says."""
    named = sorted(f"{each['kind']} {name(each).removeprefix(prefix)}" for each in objects)
    return [re.sub(r"^(ConfigMap .*)-[a-z0-9]{10}$", r"\1", each) for each in named]


@pytest.mark.parametrize("template", ["dev", "prod"])
def test_it_builds_under_its_own_name(overlays: Path, template: str) -> None:
    written = write(overlays, "team-a", template, None)
    own, original = build(written), build(overlays / template)
    assert identities(own, "team-a-") == identities(original, f"{template}-")
    labels = {each["metadata"]["labels"]["kube-airflow/instance"] for each in own}
    assert labels == {"team-a"}
    assert not [value for each in own for _path, value in strings(each) if value.startswith(f"{template}-")]
    assert not (written / "kustomization.yaml").read_text().count(f"{template}-")


@pytest.mark.parametrize("template", ["dev", "prod"])
def test_argo_cd_and_flux_are_told_what_they_know_of_the_template(overlays: Path, template: str) -> None:
    def known(overlays: Path, instance: str) -> list[Object]:
        built = (*build(overlays / "argocd"), *build(overlays / "flux"))
        names = {f"airflow-{instance}", f"airflow-{instance}-secrets"}
        text = [json.dumps(each, sort_keys=True) for each in built if name(each) in names]
        return [json.loads(re.sub(rf"(airflow-|/){instance}(?=[\"-])", r"\1X", each)) for each in text]

    tell_gitops(overlays, "team-a", template)
    expected = known(ROOT / "overlays", template)
    assert known(overlays, template) == expected
    assert known(overlays, "team-a") == expected
    assert [each["kind"] for each in expected].count("Kustomization") == 2
    assert len(expected) == 3


def test_it_can_have_a_namespace_of_its_own(overlays: Path) -> None:
    written = write(overlays, "team-a", "prod", "data")
    assert {each["metadata"]["namespace"] for each in build(written)} == {"data"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("Team", "dev", None), "NAME 'Team' cannot be part of a host name: write small", id="capital"),
        pytest.param(("9a", "dev", None), "a letter first", id="digit-first"),
        pytest.param(("a-", "dev", None), "no dash last", id="dash-last"),
        pytest.param(("a.b", "dev", None), "cannot be part of a host name", id="dot"),
        pytest.param(("../x", "dev", None), "cannot be part of a host name", id="another-directory"),
        pytest.param(("", "dev", None), "cannot be part of a host name", id="empty"),
        pytest.param(("a" * (LONGEST + 1), "dev", None), f"take at most {LONGEST}", id="long"),
        pytest.param(("a", "dev", "B"), "--namespace 'B' cannot", id="namespace"),
        pytest.param(("prod", "dev", None), "overlays/prod is there already: take another name", id="exists"),
        pytest.param(("a", "nope", None), "there is no overlays/nope; take dev or prod", id="no-template"),
    ],
)
def test_what_could_not_run_is_refused(overlays: Path, arguments: tuple[str, str, str | None], said: str) -> None:
    before = sorted(overlays.rglob("*"))
    with pytest.raises(Failure, match=said) as refused:
        write(overlays, *arguments)
    assert "\n" not in str(refused.value)
    assert sorted(overlays.rglob("*")) == before


def too_long(objects: Iterable[Object], prefix: str) -> list[str]:
    """Return the names that would end beyond their limit, with the name of an instance in place of ``prefix``."""
    added = LONGEST + 1 - len(prefix)
    named = [(each["kind"], name(each)) for each in of_kind(objects, *NAME_LIMITS)]
    return [f"{kind} {found}" for kind, found in named if len(found) + added > NAME_LIMITS[kind]]


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_longest_name_leaves_room_for_every_pod(component: str, tmp_path: Path) -> None:
    assert not too_long(build(overlay_of((component,), tmp_path)), "qq-9-")


@pytest.mark.parametrize("template", ["dev", "prod"])
def test_the_longest_name_leaves_room_in_what_is_copied(overlays: Path, template: str) -> None:
    longest = "a" * LONGEST
    assert not too_long(build(write(overlays, longest, template, None)), f"{longest}-")
