"""Refuses a revision whose tree breaks the policy on trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitsync.airflow.policy import objection
from gitsync.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitsync.airflow.entries import Entry
    from gitsync.airflow.policy import Read, TreePolicy


def require(policy: TreePolicy, revision: str, files: Mapping[str, Entry], read: Read) -> None:
    """Raise Refused if the tree of ``revision``, which has ``files``, breaks ``policy``."""
    if why := objection(files, read, policy):
        raise Refused("TreeRefused", f"revision {revision[:12]}: {why}")
