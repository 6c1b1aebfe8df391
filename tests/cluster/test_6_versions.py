"""The running servers are of the series in docs/versions.md, although Debian may have moved on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hack.lab import versions

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest


@pytest.mark.parametrize(("name", "command"), [("postgres", "postgres --version"), ("rabbitmq", "rabbitmqctl version")])
def test_a_server_is_of_the_series_that_the_page_names(dev: UnderTest, name: str, command: str) -> None:
    said = dev.instance.kubectl("exec", f"dev-{name}-0", "--", *command.split())
    (version,) = re.findall(r"\d+\.\d+(?:\.\d+)?", said)[:1]
    official = versions.pins()[name]  # where images come from a registry
    assert version.startswith((f"{versions.stand_ins().get(name, official)}.", f"{official}."))
