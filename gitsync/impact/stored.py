"""The form in which the code of a file is stored: JSON, without what is empty."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from gitsync.impact.unit import Code, Unit

_UNIT = {item.name for item in fields(Unit)} - {"number"}


def dumped(code: Code) -> str:
    """``code`` as JSON. Surrogates, which SQLite refuses, are escaped."""
    units = [{name: _plain(value) for name in _UNIT if (value := getattr(unit, name))} for unit in code.units]
    return json.dumps([units, code.constants, sorted(code.classes), code.exports])


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field's value
    if isinstance(value, set):
        return sorted(value)
    return [[key, line] for key, line in value.items()] if isinstance(value, dict) else value


def loaded(text: str) -> Code:
    """The code that `dumped` has written."""
    units, constants, classes, exports = json.loads(text)
    return Code(
        [_unit(number, **given) for number, given in enumerate(units)],
        constants,
        {(name, base) for name, base in classes},
        exports,
    )


def _unit(number: int, **given: Any) -> Unit:  # noqa: ANN401 - JSON
    unit = Unit(
        given.get("wakes", []),
        given.get("outside", False),
        given.get("main", False),
        whole=given.get("whole", False),
        number=number,
    )
    for name in ("names", "attributes", "fields", "roots", "words"):
        getattr(unit, name).update(given.get(name, ()))
    unit.imports.update(((module, level, name), line) for (module, level, name), line in given.get("imports", ()))
    unit.texts.update(given.get("texts", ()))
    unit.modules.update(given.get("modules", ()))
    unit.lists.update(((folder, pattern, deep), line) for (folder, pattern, deep), line in given.get("lists", ()))
    return unit
