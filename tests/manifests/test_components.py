"""Every component alone, and with every other that does not exclude it."""

from __future__ import annotations

import itertools
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.manifests.stack import ROOT, build, name, of_kind, overlay_over

if TYPE_CHECKING:
    from pathlib import Path

COMPONENTS = sorted(path.parent.name for path in ROOT.glob("base/components/*/kustomization.yaml"))
PAIRS = list(itertools.combinations(COMPONENTS, 2))


def choices(component: str) -> set[str]:
    """Return the sentences under which a component excludes others: two that share one cannot be built together."""
    file = ROOT / "base/components" / component / "choice.yaml"
    return {name(each) for each in yaml.safe_load_all(file.read_text())} if file.exists() else set()


EXCLUDED = [pair for pair in PAIRS if choices(pair[0]) & choices(pair[1])]


def overlay_of(components: tuple[str, ...], directory: Path, instance: str = "qq-9") -> Path:
    """Write an overlay over the base with some components, under a prefix that nothing in them can know."""
    overlay = overlay_over(ROOT / "base", directory / "-".join(components), prefix=f"{instance}-", instance=instance)
    file = overlay / "kustomization.yaml"
    used = [os.path.relpath(ROOT / "base/components" / each, overlay) for each in components]
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "components": used}))
    return overlay


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_says_what_it_needs_and_what_it_changes(component: str) -> None:
    text = (ROOT / "base/components" / component / "README.md").read_text()
    assert text.startswith(f"# {component}\n")
    assert {"## Needs", "## Changes"} <= set(text.splitlines())


@pytest.mark.parametrize("first", COMPONENTS)
def test_a_component_builds_with_every_other(first: str, tmp_path: Path) -> None:
    for pair in PAIRS:
        if pair[0] == first and pair not in EXCLUDED:
            objects = build(overlay_of(pair, tmp_path))
            assert not of_kind(objects, "Choice")
            identities = [(each["kind"], name(each)) for each in objects]
            assert len(identities) == len(set(identities)), pair


@pytest.mark.parametrize("pair", EXCLUDED, ids="-".join)
def test_an_excluded_pair_fails_with_a_sentence(pair: tuple[str, str], tmp_path: Path) -> None:
    overlay = overlay_of(pair, tmp_path)
    done = subprocess.run(["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, check=False)
    assert done.returncode
    assert any(sentence in done.stderr for sentence in choices(pair[0]) & choices(pair[1])), done.stderr
