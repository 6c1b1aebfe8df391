"""Fixtures for gitsync's programs as processes, beside the repositories of the unit tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.processes.cluster import Cluster, started
from tests.processes.standalone import Standalone, standalone
from tests.unit.conftest import commands, daemon, make_mirror, store, upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.conftest import Upstream

__all__ = ["commands", "daemon", "make_mirror", "store", "upstream"]


@pytest.fixture
def gitsync(upstream: Upstream, tmp_path: Path) -> Iterator[Standalone]:
    yield from standalone(tmp_path, upstream.path)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with started(tmp_path) as cluster:
        yield cluster
