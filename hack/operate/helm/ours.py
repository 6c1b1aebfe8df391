"""Reads the project's own YAML files: tables of charts, kustomizations, components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The fast loader, if PyYAML has it. The tables of charts take ten times as long with the other."""


def documents(file: Path) -> list[Any]:
    """All documents of a file."""
    return list(yaml.load_all(file.read_text(), _LOADER))


def document(file: Path) -> Any:
    """The one document of a file."""
    (found,) = documents(file)
    return found
