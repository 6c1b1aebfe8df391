"""Patterns with the syntax of ``.gitignore``, for ``.gitsync.yaml``; and ``.airflowignore`` as Airflow reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class IgnoreSyntax(StrEnum):
    """The syntax of ``.airflowignore``: Airflow's ``[core] dag_ignore_file_syntax``."""

    GLOB = "glob"
    REGEXP = "regexp"


_COMMENT = re.compile(r"\s*#.*")


@dataclass(frozen=True)
class Patterns:
    """Patterns relative to the repository's root. Raises ValueError for an invalid pattern."""

    lines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _spec(self.lines)

    def __contains__(self, path: str) -> bool:
        return bool(self.lines) and _spec(self.lines).match_file(path)


@lru_cache(maxsize=256)
def _spec(lines: tuple[str, ...]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(lines)


@dataclass(frozen=True)
class _Rule:
    """One line of an ``.airflowignore``."""

    matches: Callable[[str], bool]
    include: bool = True
    directories_only: bool = False
    base: str | None = ""
    """The directory to which paths are relative, with a slash. None: only the last part of a path counts."""


class AirflowIgnore:
    """The files that Airflow 3.3 ignores, as in `airflow._shared.module_loading.file_discovery`.

    ``contents`` has the ``.airflowignore`` files by their directory, relative to the DAG folder.
    """

    def __init__(self, contents: Mapping[str, bytes], syntax: IgnoreSyntax) -> None:
        parse = _glob if syntax is IgnoreSyntax.GLOB else _regexp
        self._own = {folder: tuple(_rules(content, folder, parse)) for folder, content in contents.items()}
        self._seen: dict[str, tuple[bool, tuple[_Rule, ...]]] = {"": (False, self._own.get("", ()))}

    def __contains__(self, path: str) -> bool:
        if not self._own:
            return False
        ignored, rules = self._folder(path.rpartition("/")[0])
        return ignored or _ignored(path, rules, directory=False)

    def _folder(self, path: str) -> tuple[bool, tuple[_Rule, ...]]:
        """Whether a directory is ignored, and the rules for its files."""
        if path not in self._seen:
            ignored, rules = self._folder(path.rpartition("/")[0])
            ignored = ignored or _ignored(path, rules, directory=True)
            self._seen[path] = (ignored, rules + self._own.get(path, ()))
        return self._seen[path]


def _rules(content: bytes, folder: str, parse: Callable[[str, str], _Rule | None]) -> Iterable[_Rule]:
    lines = (_COMMENT.sub("", line) for line in content.decode(errors="replace").splitlines())
    return (rule for line in lines if line and (rule := parse(line, folder)))


def _glob(line: str, folder: str) -> _Rule | None:
    if line.strip() == "/":
        return None
    try:
        pattern = GitIgnoreSpecPattern(line)
    except ValueError:
        return None
    if pattern.include is None:
        return None
    anchored = "/" in line.rstrip("/")
    return _Rule(
        matches=lambda path: pattern.match_file(path) is not None,
        include=pattern.include,
        directories_only=line.lstrip("!").rstrip().endswith("/"),
        base=(f"{folder}/" if folder else "") if anchored else None,
    )


def _regexp(line: str, _folder: str) -> _Rule | None:
    try:
        pattern = re.compile(line)
    except re.error:
        return None
    return _Rule(matches=lambda path: pattern.search(path.rstrip("/")) is not None)


def _ignored(path: str, rules: Iterable[_Rule], *, directory: bool) -> bool:
    """Whether ``rules`` ignore ``path``. The last matching rule decides; a regular expression only ever ignores."""
    result = False
    for rule in rules:
        if rule.directories_only and not directory:
            continue
        relative = path.rpartition("/")[2] if rule.base is None else path.removeprefix(rule.base)
        if rule.matches(f"{relative}/" if directory else relative):
            result = rule.include
    return result
