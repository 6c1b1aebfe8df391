"""The files that one unit of code uses, found with one search path."""

from __future__ import annotations

from dataclasses import dataclass, field

Lines = dict[str, int]
"""Paths, or texts, each with the first line that has it."""


@dataclass
class Effects:
    """The files that a unit uses, with one search path."""

    roots: set[str] = field(default_factory=set)
    """Directories that it puts on the search path."""
    imports: Lines = field(default_factory=dict)
    taken: set[tuple[str, str]] = field(default_factory=set)
    """Modules, each with a name that is imported from it."""
    starred: set[str] = field(default_factory=set)
    """Modules of which all names are imported."""
    names: Lines = field(default_factory=dict)
    """Files that it names."""
    inside: Lines = field(default_factory=dict)
    """Files in directories that it names."""
    lists: Lines = field(default_factory=dict)
    """Files in directories that it lists."""
    beside: dict[frozenset[str], int] = field(default_factory=dict)
    """Files of which it names the directory, and computes the name."""
    computed: Lines = field(default_factory=dict)
    """Computed names of modules."""
    plain: set[str] = field(default_factory=set)
    """Its words, which may be names of files; see `gitsync.impact.paths.plain`."""
