"""The code of one file, as the search for dependencies needs it: its units, and what each of them uses."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Unit:
    """A part of a file that runs by itself: its module level, a function, a method, or its main program."""

    wakes: list[str] = field(default_factory=list)
    """The unit runs if one of these names is used. None: it runs with the module."""
    outside: bool = False
    """Whether only uses in other files count. Such a unit is a function once more, with arguments that are unknown."""
    main: bool = False
    """Whether the unit runs only if the file is run as a program."""
    names: set[str] = field(default_factory=set)
    """The names that it uses."""
    attributes: set[str] = field(default_factory=set)
    """The attributes that it uses, and texts that may be names."""
    fields: set[str] = field(default_factory=set)
    """Those of ``attributes`` whose values are not known here."""
    imports: dict[tuple[str, int, str], int] = field(default_factory=dict)
    """Imports, each with its first line: the module, the level (0 absolute, 1 and more relative), the name taken."""
    texts: dict[str, int] = field(default_factory=dict)
    """Texts that may be paths, each with its first line; see `gitsync.impact.values` for their form."""
    lists: dict[tuple[str, str, bool], int] = field(default_factory=dict)
    """Listings, each with its first line: the directory, a pattern for names, whether directories below count."""
    modules: dict[str, int] = field(default_factory=dict)
    """Computed names of modules to import, each with its first line."""
    roots: set[str] = field(default_factory=set)
    """Directories that are put on the search path."""
    words: set[str] = field(default_factory=set)
    """Short texts, which may be parts of a name."""
    whole: bool = False
    """Whether the unit may call any function of any file."""
    number: int = 0
    """Its place in the file, from 0."""


@dataclass
class Code:
    """One file."""

    units: list[Unit] = field(default_factory=list)
    constants: dict[str, list[str]] = field(default_factory=dict)
    """Names at module level and in classes (``BASE``, ``Config.BASE``) with the paths that they are."""
    classes: set[tuple[str, str]] = field(default_factory=set)
    """Class names, each with the last part of a base's name."""
    exports: bool = False
    """Whether the file mentions ``__all__``."""
    beyond: bool = False
    """Whether a limit ended the evaluation of its expressions."""
