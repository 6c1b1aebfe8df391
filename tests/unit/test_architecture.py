"""docs/architecture.md shows the real rooms of the code and the real connections between pods."""

from __future__ import annotations

import re

import yaml

from hack.reference_pages import CHECKOUT
from tests.unit.test_layers import FLOORS

PAGE = CHECKOUT / "docs/architecture.md"
OUTSIDE = {"browser", "githost", "kubernetes"}
"""Nodes of the picture that are no pods of the instance."""


def test_the_floors_are_those_that_imports_keep() -> None:
    rows = re.findall(r"(?m)^\| (\d+) \| (`.*?`) \|", PAGE.read_text())
    shown = {name: int(floor) for floor, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert shown == {name: floor for floor, names in enumerate(FLOORS, 1) for name in names}


def test_the_pods_connect_as_observed() -> None:
    picture = re.findall(r"```mermaid\n(flowchart.*?)```", PAGE.read_text(), re.DOTALL)[0]
    shown = {pair for pair in re.findall(r"([\w-]+) --> ([\w-]+)", picture) if OUTSIDE.isdisjoint(pair)}
    flows = yaml.safe_load((CHECKOUT / "base/components/network-policy/flows.yaml").read_text())
    tiers = {path.parent.name for path in CHECKOUT.glob("base/*/kustomization.yaml")}
    observed = {(flow["from"], flow["to"]) for flow in flows if {flow["from"], flow["to"]} <= tiers}
    assert shown == {(one, other) for one, other in observed if one != other}
