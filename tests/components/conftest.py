"""Instances with components, each alone in a namespace. `dev` stays beside them, as in tests/cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.conftest import cluster, dev
from tests.components.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hack.operate.cluster import Cluster

__all__ = ["cluster", "dev"]


@pytest.fixture
def trial(cluster: Cluster, tmp_path: Path) -> Iterator[Trial]:
    """Makes instances, which go with the test."""
    with Trial(cluster, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def lasting_trial(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Makes instances, which go with the module."""
    with Trial(cluster, tmp_path_factory.mktemp("trial")) as found:
        yield found
