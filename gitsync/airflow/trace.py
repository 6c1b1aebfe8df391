"""What a DAG file used when the gate imported it. It travels from the gate through the controller to the analysis."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

LONGEST_PATH = 4096
MOST_USES = 2_000
"""Entries in one list of a trace. A DAG file that uses more depends on the whole DAG folder."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Paths are in the repository. DAG code can forge a trace, so one may only add to what a DAG file depends on."""

    read: tuple[str, ...] = ()
    """The files that it opened, also those that were not there."""
    asked: tuple[str, ...] = ()
    """The paths of which it asked whether they are there, or how large, and so on."""
    listed: tuple[str, ...] = ()
    """The directories whose entries it listed; the root is empty."""
    modules: tuple[str, ...] = ()
    """The modules that it looked for and found in the repository, or nowhere."""
    roots: tuple[str, ...] = ()
    """The directories of the repository that were on Python's search path at the end."""
    cut: bool = False
    """Whether one of the lists would have had more than `MOST_USES` entries."""

    @property
    def weight(self) -> int:
        """Characters of all lists in JSON, about."""
        return sum(len(ascii(text)) + 2 for each in vars(self).values() if isinstance(each, tuple) for text in each)

    @classmethod
    def of(cls, given: Any) -> Trace:  # noqa: ANN401 - whatever JSON holds
        """A trace from JSON. Raises ValueError for what is none."""
        if not isinstance(given, dict) or given.keys() != {each.name for each in fields(cls)}:
            raise ValueError("not the fields of a trace")
        if not isinstance(given["cut"], bool):
            raise ValueError("a trace whose cut is not a boolean")
        return cls(
            read=_paths(given["read"]), asked=_paths(given["asked"]), listed=_paths(given["listed"]),
            modules=_paths(given["modules"]), roots=_paths(given["roots"]), cut=given["cut"],
        )  # fmt: skip


def _paths(given: object) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or len(given) > MOST_USES:
        raise ValueError(f"not a list of at most {MOST_USES} paths")
    for each in given:
        if not isinstance(each, str) or len(each) > LONGEST_PATH:
            raise ValueError(f"not a path of at most {LONGEST_PATH} characters")
    return tuple(given)
