"""Every component alone, and with every other that does not exclude it, in both orders.

In a usual run the pairs are in sets of many components, each pair in one of them at least. Each set is built in two
orders. With ALL=1 each pair is also built by itself: one that fails alone and is healed by a third component is found
only then. `tests/api/test_accepted.py` asks an API server about the same builds.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.manifests.faults import faults
from tests.manifests.stack import ROOT, build, name, of_kind, overlay_over
from tests.suites import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMPONENTS = sorted(path.parent.name for path in ROOT.glob("base/components/*/kustomization.yaml"))
PAIRS = list(itertools.combinations(COMPONENTS, 2))


def choices(component: str) -> set[str]:
    """Return the sentences under which a component excludes others: two that share one cannot be built together."""
    directory = ROOT / "base/components" / component
    file = directory / "choice.yaml"
    own = {name(each) for each in yaml.safe_load_all(file.read_text())} if file.exists() else set()
    listed = yaml.safe_load((directory / "kustomization.yaml").read_text()).get("components", [])
    return own.union(*(choices(path[3:]) for path in listed if path[3:] in COMPONENTS))


EXCLUDED = [pair for pair in PAIRS if choices(pair[0]) & choices(pair[1])]
ALLOWED = [pair for pair in PAIRS if pair not in EXCLUDED]


def covering_sets() -> Iterator[tuple[str, ...]]:
    """Yield sets of components that can be built together, until each allowed pair has been in one."""
    missing = set(ALLOWED)
    while missing:
        chosen = list(min(missing))
        rest = [each for each in COMPONENTS if each not in chosen]
        # Those first that the fewest sets had, so that few sets are needed.
        for each in sorted(rest, key=lambda each: -sum(each in pair for pair in missing)):
            if not any(tuple(sorted((each, other))) in EXCLUDED for other in chosen):
                chosen.append(each)
        missing -= set(itertools.combinations(sorted(chosen), 2))
        yield tuple(sorted(chosen))


FIRST = (("extra-queue", "embedded-dags"), ("extra-queue", "git-dag-bundle"))
"""Pairs with one order. The second takes gitsync's sidecar from the pods that are there. Pods that come later keep it,
and it finds no controller. The READMEs say so, and `hack/kube-airflow check` finds the other order."""


def orders(components: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the components in the order of the alphabet and in the other, but for the pairs with one order."""
    early = {first for first, second in FIRST if second in components}
    for order in (components, components[::-1]):
        yield tuple(sorted(order, key=lambda each: each not in early))


SETS = [*covering_sets()]
TOGETHER = [
    *((each,) for each in COMPONENTS),
    *dict.fromkeys(order for each in (*SETS, *(ALLOWED if ALL else ())) for order in orders(each)),
]
"""What is built, in the order in which the overlay lists it."""


def overlay_of(
    components: tuple[str, ...], directory: Path, instance: str = "qq-9", target: Path = ROOT / "base"
) -> Path:
    """Write an overlay over the base with some components, under a prefix that nothing in them can know."""
    overlay = overlay_over(
        target, directory / "-".join(components).replace("/", "-")[:200], prefix=f"{instance}-", instance=instance
    )
    file = overlay / "kustomization.yaml"
    used = [os.path.relpath(ROOT / "base/components" / each, overlay) for each in components]
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "components": used}))
    return overlay


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_says_what_it_needs_and_what_it_changes(component: str) -> None:
    text = (ROOT / "base/components" / component / "README.md").read_text()
    assert text.startswith(f"# {component}\n")
    assert {"## Needs", "## Changes"} <= set(text.splitlines())


def test_each_allowed_pair_is_built_in_both_orders() -> None:
    built = {pair for components in TOGETHER for pair in itertools.combinations(components, 2)}
    assert built == {*ALLOWED, *(pair[::-1] for pair in ALLOWED)} - {pair[::-1] for pair in FIRST}


@pytest.mark.parametrize("pair", FIRST, ids="-".join)
def test_the_other_order_of_a_pair_with_one_order_is_found(pair: tuple[str, str], tmp_path: Path) -> None:
    for component in pair[1:]:
        assert (
            f"`{pair[0]}`, is listed before this one"
            in (ROOT / "base/components" / component / "README.md").read_text()
        )
    found = faults(build(overlay_of(pair[::-1], tmp_path)))
    assert found
    assert all("worker-extra: nothing sets $(GITSYNC_HOST)" in each and "list that one last" in each for each in found)


def together_id(components: tuple[str, ...]) -> str:
    """Return the name of a test; that of a set says whether it is in the order of the alphabet."""
    if len(components) < 3:
        return "+".join(components)
    number = SETS.index(tuple(sorted(components)))
    return f"set-{number}-{'az' if components == next(orders(SETS[number])) else 'za'}"


@pytest.mark.parametrize("components", TOGETHER, ids=together_id)
def test_components_build_alone_and_together(components: tuple[str, ...], tmp_path: Path) -> None:
    objects = build(overlay_of(components, tmp_path))
    assert not of_kind(objects, "Choice")
    identities = [(each["kind"], name(each)) for each in objects]
    assert len(identities) == len(set(identities))
    assert faults(objects) == []


@pytest.mark.parametrize("pair", EXCLUDED, ids="-".join)
def test_an_excluded_pair_fails_with_a_sentence(pair: tuple[str, str], tmp_path: Path) -> None:
    overlay = overlay_of(pair, tmp_path)
    done = subprocess.run(["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, check=False)
    assert done.returncode
    assert any(sentence in done.stderr for sentence in choices(pair[0]) & choices(pair[1])), done.stderr
