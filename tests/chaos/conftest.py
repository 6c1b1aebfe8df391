"""The fixtures of tests/cluster, for the same instance."""

from __future__ import annotations

from tests.cluster.conftest import cluster, dev

__all__ = ["cluster", "dev"]
