"""Finds the components that must restart because a commit changes code that they keep in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitsync.impact.rules import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gitsync.impact.cache import Session
    from gitsync.impact.spread import Spread

_BASES = {
    "AirflowPlugin": "plugin",
    "BaseXCom": "XCom backend",
    "hookimpl": "listener",
}
_ENDINGS = {"Timetable": "timetable", "Trigger": "trigger"}
_HOLDERS = {
    "plugin": COMPONENTS,
    "listener": COMPONENTS,
    "local settings": COMPONENTS,
    "XCom backend": ("triggerer", "worker", "api-server"),
    "timetable": ("scheduler", "dag-processor", "api-server"),
    "trigger": ("triggerer",),
}
BEHIND_ALL = frozenset({"plugin", "listener", "local settings", "XCom backend"})
"""Kinds of extensions that act on DAGs that do not import them."""
_LOCAL_SETTINGS = "airflow_local_settings.py"


def changed_kinds(spread: Spread, reached: Mapping[str, str]) -> dict[str, str]:
    """The kinds of Airflow extensions among the files that changes reach by imports, each with one file.

    ``reached`` is the result of `Spread.from_imports`.
    """
    found: dict[str, str] = {}
    for path in sorted(reached):
        if path.rpartition("/")[2] == _LOCAL_SETTINGS:
            found.setdefault("local settings", path)
        if any(
            path.startswith(folder) for folder in {f"{side.folder}plugins/" for side in spread.sides} | {"plugins/"}
        ):
            found.setdefault("plugin", path)
    facts = {item.id: path for path in sorted(reached, reverse=True) for item in spread.facts_of(path)}
    for fact, kind in _classes(spread.session, spread.paths):
        if fact in facts:
            found.setdefault(kind, facts[fact])
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


def restarts(spread: Spread, kinds: Mapping[str, str], reached: Iterable[str]) -> dict[str, str]:
    """The components that must restart, each with the reason."""
    found: dict[str, str] = {}
    for kind, path in kinds.items():
        for component in _HOLDERS[kind]:
            found.setdefault(component, f"{path} changes a {kind}")
    for path in sorted(reached):
        for side in spread.sides:
            for patterns, components in side.rules.restart.items():
                if path in patterns:
                    found |= {
                        name: f"{path} changes, and .gitsync.yaml names it" for name in components if name not in found
                    }
    return found
