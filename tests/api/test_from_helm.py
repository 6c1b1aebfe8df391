"""An API server takes the overlay that `from-helm` writes from the values of the unit tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.manifests.stack import rendered
from tests.unit.test_from_helm import COMMUNITY, OFFICIAL, overlay_of
from tests.unit.test_from_helm_pods import VALUES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.server import Api


@pytest.mark.parametrize(("values", "chart"), [(OFFICIAL, "official"), (VALUES, "official"), (COMMUNITY, "community")])
def test_an_overlay_of_a_charts_values_is_taken(api: Api, values: dict[str, Any], chart: str, tmp_path: Path) -> None:
    overlay, _said = overlay_of(values, chart)
    overlay.write(tmp_path / "overlay")
    assert api.refusals(rendered(tmp_path / "overlay")) == []
