"""The generated pages are as what they describe."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.reference_pages import CHECKOUT, components, configuration, make, pages


@pytest.mark.parametrize("page", [Path("docs/reference.md"), Path("docs/from-helm.md")], ids=str)
def test_the_page_is_current(page: Path) -> None:
    assert (CHECKOUT / page).read_text() == pages()[page], "run hack/reference"


def test_every_setting_has_a_type_and_every_part_a_table() -> None:
    text = "\n".join(configuration())
    for part in ("sources.policy", "sources.gate", "sources.windows", "sources.notify", "lock", "fleet", "database"):
        assert f"### {part}\n" in text
    assert "| `period` | `number` | `60` | Seconds between looks" in text
    assert "typing." not in text
    assert "ForwardRef" not in text


def test_every_target_and_every_component_has_a_sentence() -> None:
    rows = [row for row in (*make(), *components()) if row.startswith("| ")]
    assert any("`make up`" in row for row in rows)
    assert not [row for row in rows if row.endswith("|  |")]
