"""Notes what DAG code opens, lists, asks for and imports in this process. Nothing takes a note off again."""

from __future__ import annotations

import functools
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gitsync.airflow.trace import LONGEST_PATH, MOST_USES, Trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_QUESTIONS = ("stat", "lstat", "access", "readlink")
"""Functions of `os` that raise no audit event."""
_ABILITIES = (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids)
"""Sets of functions. Programs look there for what a function can do, so each has its stand-in, too."""
_READLINK = os.readlink
_IMPORTERS = "<frozen importlib"
"""Begins the names of the modules that import others. They list directories to find modules."""


class Tracer:
    """Notes the uses of the files below ``tree`` in this process."""

    def __init__(self, tree: Path) -> None:
        self._roots = tuple({f"{path.rstrip('/')}/" for path in (str(tree), os.path.realpath(tree))})
        self._read: dict[str, None] = {}
        self._asked: dict[str, None] = {}
        self._listed: dict[str, None] = {}
        self._modules: dict[str, None] = {}

    def start(self) -> None:
        """Begin. `sys.addaudithook` cannot be undone, so this is for a process that imports one DAG file."""
        sys.addaudithook(self._hear)
        for name in _QUESTIONS:
            _stand_in(name, self._ask)
        # The audit event `import` is not raised by `import_module` and `find_spec`; a finder is always asked.
        sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 - a finder's
        """Note the name; the next finder answers. See `importlib.abc.MetaPathFinder`."""
        self._modules[fullname] = None

    def result(self) -> Trace:
        """What was noted so far."""
        kept = {name: None for name in tuple(self._modules) if self._inside_or_nowhere(name)}
        roots = {path: None for each in sys.path if (path := self._path(each)) is not None}
        found = {"read": self._read, "asked": self._asked, "listed": self._listed, "modules": kept, "roots": roots}
        cut = any(len(each) > MOST_USES for each in found.values())
        return Trace(**{name: tuple(sorted(each)[:MOST_USES]) for name, each in found.items()}, cut=cut)

    def _inside_or_nowhere(self, name: str) -> bool:
        with suppress(Exception):  # a module may have any attributes, and answer with any error
            file = getattr(sys.modules.get(name), "__file__", None)
            return len(name) <= LONGEST_PATH and (file is None or self._path(file) is not None)
        return False

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            self._note(self._read, arguments[0])
        elif event in ("os.listdir", "os.scandir") and not _importing():
            self._note(self._listed, "." if arguments[0] is None else arguments[0])

    def _ask(self, place: object) -> None:
        self._note(self._asked, place)

    def _note(self, notes: dict[str, None], place: object) -> None:
        path = self._path(place)
        if path is not None and len(path) <= LONGEST_PATH and len(notes) <= MOST_USES:
            notes[path] = None

    def _path(self, place: Any) -> str | None:  # noqa: ANN401 - whatever DAG code hands over
        """The path in the tree; None outside of it.

        No error leaves this: it would be one of the DAG code, which may hand over anything.
        """
        with suppress(Exception):
            if isinstance(place, int):
                place = _READLINK(f"/proc/self/fd/{place}")
            path = os.path.abspath(os.fsdecode(place))  # noqa: PTH100 - resolve() asks the disk, and follows links
            root = next((each for each in self._roots if f"{path}/".startswith(each)), None)
            return None if root is None else path[len(root) :]
        return None


def _importing() -> bool:
    """Whether the function that raised the event was called by an importer of Python."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename.startswith(_IMPORTERS)


def _stand_in(name: str, note: Callable[[object], None]) -> None:
    real = getattr(os, name)

    @functools.wraps(real)
    def noted(path: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the real one
        note(path)
        return real(path, *arguments, **named)

    setattr(os, name, noted)
    for ability in _ABILITIES:
        if real in ability:
            ability.add(noted)
