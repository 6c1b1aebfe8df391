"""An API server takes every overlay, and every component with every other that does not exclude it, in both orders.

The builds are those of `tests/manifests/test_components.py`: in a usual run sets of components that have every pair.
With ALL=1 each pair by itself as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.manifests.conftest import WHOLE, directory
from tests.manifests.recipes import ELSEWHERE, RECIPES
from tests.manifests.stack import overlay_over, rendered
from tests.manifests.test_components import TOGETHER, overlay_of, together_id

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.server import Api
    from tests.manifests.recipes import Recipe


@pytest.mark.parametrize("components", TOGETHER, ids=together_id)
def test_components_are_taken_alone_and_together(api: Api, components: tuple[str, ...], tmp_path: Path) -> None:
    assert api.refusals(rendered(overlay_of(components, tmp_path))) == []


@pytest.mark.parametrize("what", WHOLE)
def test_the_overlays_are_taken(api: Api, what: str, tmp_path: Path) -> None:
    assert api.refusals(rendered(overlay_over(directory(what), tmp_path, prefix="qq-9-", instance="qq-9"))) == []


@pytest.mark.parametrize("recipe", [*RECIPES, *ELSEWHERE], ids=str)
def test_the_recipes_of_the_documentation_are_taken(api: Api, recipe: Recipe, tmp_path: Path) -> None:
    assert api.refusals(rendered(recipe.write(tmp_path))) == []
