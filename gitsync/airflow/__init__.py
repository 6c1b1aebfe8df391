"""The part of gitsync that runs in Airflow's image: the DAG bundle, and the gate that imports DAG files.

The image build copies this folder whole. Nothing in here imports another part of gitsync, so a change of the
controller does not change Airflow's image, and workers need no restart. The controller has no Airflow; it imports
only the gate's options and reports and the policy on trees.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as Python defines it
    """Give ``GitSyncBundle``, under the name that Airflow's configuration has; the controller must not import it."""
    if name == "GitSyncBundle":
        from gitsync.airflow.bundle import GitSyncBundle  # noqa: PLC0415 - it needs Airflow

        return GitSyncBundle
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
