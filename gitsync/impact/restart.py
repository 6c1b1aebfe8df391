"""Finds the components that must restart because a commit changes code that they keep in memory."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from gitsync.impact.rules import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitsync.impact.cache import Session
    from gitsync.impact.change import Change

_BASES = {
    "AirflowPlugin": "plugin",
    "BaseXCom": "XCom backend",
    "hookimpl": "listener",
}
_ENDINGS = {"Timetable": "timetable", "Trigger": "trigger"}
_HOLDERS = {
    "plugin": COMPONENTS,
    "module of plugins": COMPONENTS,
    "listener": COMPONENTS,
    "local settings": COMPONENTS,
    "XCom backend": ("triggerer", "worker", "api-server"),
    "timetable": ("scheduler", "dag-processor", "api-server"),
    "trigger": ("triggerer",),
}
BEHIND_ALL = frozenset({"plugin", "listener", "local settings", "XCom backend"})
"""Kinds of extensions that act on DAGs that do not import them."""
_LOCAL_SETTINGS = "airflow_local_settings.py"


def changed_kinds(change: Change) -> dict[str, str]:
    """The kinds of Airflow extensions that the change reaches, each with the first file that defines one."""
    found: dict[str, str] = {}
    for path, kind in sorted(_extensions(change)):
        if kind not in found and change.cause(path):
            found[kind] = path
    return found


def _extensions(change: Change) -> set[tuple[str, str]]:
    """The files of both revisions that define an extension, each with its kind."""
    views = (change.old, change.new)
    paths: dict[int, set[str]] = defaultdict(set)
    found: set[tuple[str, str]] = set()
    for view in views:
        for path in view.side.files:
            if known := view.facts(path):
                paths[known.id].add(path)
            if path.rpartition("/")[2] == _LOCAL_SETTINGS:
                found.add((path, "local settings"))
            elif path.startswith((f"{view.side.folder}plugins/", "plugins/")) and path.endswith(".py"):
                found.add((path, "module of plugins"))
    for fact, kind in _classes(change.old.session, paths):
        found |= {(path, kind) for path in paths[fact]}
    return found


def _classes(session: Session, present: Mapping[int, object]) -> Iterator[tuple[int, str]]:
    """The ids of facts that define an extension, each with its kind. The base class may be the repository's own."""
    classes = session.classes(present)
    kinds: dict[str, str] = {}
    before = -1
    while before != len(kinds):
        before = len(kinds)
        kinds |= {name: kind for _, name, base in classes if (kind := _kind(base) or kinds.get(base, ""))}
    for fact, _, base in classes:
        if kind := _kind(base) or kinds.get(base, ""):
            yield fact, kind


def _kind(base: str) -> str:
    return _BASES.get(base) or next((kind for ending, kind in _ENDINGS.items() if base.endswith(ending)), "")


def restarts(change: Change, kinds: Mapping[str, str]) -> dict[str, str]:
    """The components that must restart, each with the reason."""
    found: dict[str, str] = {}
    for kind, path in kinds.items():
        for component in _HOLDERS[kind]:
            found.setdefault(component, f"{path} changes a {kind}")
    for path in sorted(path for path in change.paths if not path.endswith("/")):
        for view in (change.old, change.new):
            for patterns, components in view.side.rules.restart.items():
                if path in patterns:
                    found |= {
                        name: f"{path} changes, and .gitsync.yaml names it" for name in components if name not in found
                    }
    return found
