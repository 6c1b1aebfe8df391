"""Names of functions and arguments that the rules know, by what they do with a path."""

from __future__ import annotations

import re

IMPORTERS = frozenset({"__import__", "import_module", "import_string"})
"""They import a module by a name that is a text."""
LISTERS = frozenset({"copytree", "fwalk", "glob", "iglob", "listdir", "make_archive", "scandir", "walk"})
"""Functions of `os`, `glob` and `shutil` that list a directory."""
DEEP_LISTERS = frozenset({"copytree", "fwalk", "make_archive", "walk"})
"""Those that list all directories below it, too."""
LISTING_METHODS = frozenset({"glob", "iterdir", "rglob", "walk"})
"""Methods of `pathlib.Path`."""
LISTING_MODULES = frozenset({"glob", "os", "pathlib", "shutil"})
MODULE_LISTERS = frozenset({"iter_modules", "walk_packages"})
"""Functions of `pkgutil`."""
EVALUATORS = frozenset({"compile", "eval", "exec"})
BY_NAME = frozenset({"globals", "locals", "vars"})
"""They give names of a module as data, so that each function of it may be called."""
UNREADING = frozenset({
    "append_to_sys_path", "chmod", "commonpath", "commonprefix", "endswith", "exists", "getLogger", "get_logger",
    "is_dir", "is_file", "is_relative_to", "isdir", "isfile", "makedirs", "mkdir", "remove", "rmtree", "startswith",
    "touch", "unlink",
})  # fmt: skip
"""They do not read the file whose path they get."""
PARTS = frozenset({"anchor", "drive", "name", "parts", "root", "stem", "suffix", "suffixes"})
"""Attributes of a path that are texts. Whoever asks for one does not read the file."""
LOGGING = frozenset({"critical", "debug", "error", "exception", "info", "log", "warn", "warning"})
PLAIN_DECORATORS = frozenset({
    "abstractmethod", "cache", "cached_property", "classmethod", "contextmanager", "lru_cache", "overload", "override",
    "property", "setter", "staticmethod", "wraps",
})  # fmt: skip
"""Decorators that do not call the function, nor hand it to anybody who does."""
PLAIN_BASES = frozenset({"ABC", "Enum", "Exception", "NamedTuple", "Protocol", "TypedDict", "object", "str"})
"""Classes that do not call the methods of their subclasses."""
NO_PATHS = re.compile(r"owner|email|dag_id|task_id|tags|schedule(_interval)?|pool|queue|group_id|\w*conn_id")
"""Arguments that are no paths, although they may look like one."""
