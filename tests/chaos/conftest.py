"""The same instance as in tests/cluster."""

from __future__ import annotations

from tests.cluster.conftest import cluster, dev

__all__ = ["cluster", "dev"]
