"""``.gitsync.yaml``, in which authors of a repository declare uses of files; and the patterns that always hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from gitsync.errors import Refused
from gitsync.impact.patterns import Patterns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME = ".gitsync.yaml"
LIMIT = 1 << 16
"""Bytes of the file. A larger one is refused without reading it."""
_MOST_KEYS = 10_000
"""Keys of a mapping, those that it merges included."""
COMPONENTS = ("scheduler", "dag-processor", "triggerer", "worker", "api-server")
UNREAD = Patterns((
    "README*", "LICENSE*", "LICENCE*", "NOTICE*", "CHANGELOG*", "CHANGES*", "CONTRIBUTING*", "SECURITY*", "AUTHORS*",
    "CODEOWNERS", "*.md", "*.rst", "/doc/", "/docs/", ".git*", "/.circleci/", "/.vscode/", "/.idea/",
    ".editorconfig", ".pre-commit-config.yaml", ".dockerignore", "Dockerfile*", "Jenkinsfile", "Makefile",
    ".airflowignore",
))  # fmt: skip
"""Files that no DAG reads unless another file names them."""


@dataclass(frozen=True)
class Rules:
    """The content of ``.gitsync.yaml``. Paths and patterns are relative to the repository's root."""

    reads: Mapping[Patterns, Patterns] = field(default_factory=dict)
    """Files, each with the only files that read them."""
    ignore: Patterns = field(default_factory=Patterns)
    """Files that no file reads. Imports of them still count."""
    roots: tuple[str, ...] | None = None
    """Directories on Python's search path beside the DAG folder; None: the file does not say."""
    restart: Mapping[Patterns, tuple[str, ...]] = field(default_factory=dict)
    """Files, each with the components that must restart when one of them changes."""

    def readers(self, path: str) -> tuple[Patterns, ...] | None:
        """The patterns of the files that read ``path``; None if the rules do not mention it."""
        said = tuple(readers for patterns, readers in self.reads.items() if path in patterns)
        return said or (() if path in self.ignore else None)


class _Loader(yaml.SafeLoader):
    """A loader that merges no more keys than a person would write. A few lines of ``<<`` can stand for billions."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MOST_KEYS:
            mark = node.start_mark
            raise yaml.YAMLError(f"the mapping in line {mark.line + 1} has more than {_MOST_KEYS} keys")


def parse(content: bytes) -> Rules:
    """Read ``.gitsync.yaml``. Raises Refused, which names the wrong key by its path."""
    try:
        loaded = yaml.load(content, _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise wrong("", f"is not YAML: {' '.join(str(error).split())}") from None
    given = _mapping("", {} if loaded is None else loaded)
    if unknown := sorted(given.keys() - Rules.__dataclass_fields__.keys()):
        raise wrong(unknown[0], "is not a key; the keys are reads, ignore, roots and restart")
    return Rules(
        reads={_patterns(at, [key]): _patterns(at, value) for at, key, value in _items("reads", given)},
        ignore=_patterns("ignore", given.get("ignore", [])),
        roots=tuple(_root(f"roots[{number}]", path) for number, path in enumerate(_texts("roots", given["roots"])))
        if "roots" in given
        else None,
        restart={_patterns(at, [key]): _components(at, value) for at, key, value in _items("restart", given)},
    )


def wrong(at: str, why: str) -> Refused:
    """The refusal of a file because of its key ``at``. An empty ``at`` means the whole file."""
    return Refused("GitsyncYamlWrong", f"{NAME}{': ' if at else ' '}{at}{' ' if at else ''}{why}")


def _items(name: str, given: Mapping[str, object]) -> Iterable[tuple[str, str, object]]:
    for key, value in _mapping(name, given.get(name, {})).items():
        yield f"{name}[{key!r}]", key, value


def _mapping(at: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise wrong(at, "must be a mapping whose keys are text")
    return value


def _texts(at: str, value: object) -> list[str]:
    if not isinstance(value, list):
        raise wrong(at, "must be a list")
    for number, item in enumerate(value):
        if not isinstance(item, str) or not item:
            raise wrong(f"{at}[{number}]", "must be text")
    return value


def _patterns(at: str, value: object) -> Patterns:
    try:
        return Patterns(tuple(_texts(at, value)))
    except ValueError as error:
        raise wrong(at, f"is no pattern: {error}") from None


def _root(at: str, path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts:
        raise wrong(at, "must be a directory inside the repository")
    return "/".join(parts)


def _components(at: str, value: object) -> tuple[str, ...]:
    for number, item in enumerate(_texts(at, value)):
        if item not in COMPONENTS:
            raise wrong(f"{at}[{number}]", f"must be one of {', '.join(COMPONENTS)}")
    return tuple(_texts(at, value))
