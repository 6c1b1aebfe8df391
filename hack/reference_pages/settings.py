"""The part of the reference on gitsync's configuration file, from the settings' classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from gitsync.settings import Settings
from hack.reference_pages.text import about, code, codes, descriptions, row, table

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS: Mapping[Any, str] = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`", Path: "path"}
REQUIRED = "required"


def configuration() -> Iterator[str]:
    """The file `gitsync.yaml`, a table for each of its parts."""
    yield "## gitsync's configuration\n"
    yield "The file `gitsync.yaml` of an overlay. `${NAME}` in it is a variable of the controller's environment."
    yield "A wrong value stops the start. The message names it by its path in the file."
    places = _places()
    for model, path in places.items():
        text = about(model)
        yield f"\n### {path}\n\n{text and text + chr(10) * 2}{table('key', 'type', 'default')}"
        for name, kind, default, said in fields(model):
            yield row(code(name), type_name(kind, places), default, _with_values(said, kind))


def _places() -> dict[type, str]:
    """The place in the file of each part's model; of several places, the first."""
    found: dict[type, str] = {}
    waiting: list[tuple[str, type]] = [("the file", Settings)]
    while waiting:
        path, model = waiting.pop(0)
        if model in found:
            continue
        found[model] = path
        for name, kind, _default, _said in fields(model):
            below = name if model is Settings else f"{path}.{name}"
            waiting += [(below, part) for part in parts_of(kind)]
    return found


def fields(model: type) -> Iterator[tuple[str, Any, str, str]]:
    """The name, type, default and description of each field of a model or dataclass."""
    texts = descriptions(model)
    hints = get_type_hints(model)
    for name, default in _defaults(model):
        yield name, hints[name], default, texts.get(name, "")


def _defaults(model: type) -> Iterator[tuple[str, str]]:
    if issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            yield name, REQUIRED if field.is_required() else _shown(field.get_default(call_default_factory=True))
    elif dataclasses.is_dataclass(model):
        for each in dataclasses.fields(model):
            made = each.default_factory() if callable(each.default_factory) else each.default
            yield each.name, REQUIRED if made is dataclasses.MISSING else _shown(made)


def parts_of(kind: Any) -> list[type]:
    """The models in an annotation, which have a table of their own."""
    if isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)):
        return [kind]
    return [part for each in get_args(kind) for part in parts_of(each)]


def type_name(kind: Any, places: Mapping[type, str]) -> str:
    """An annotation in words for readers. A part with a table of its own is a link to that table."""
    arguments = [each for each in get_args(kind) if each not in (NoneType, ...)]
    if kind in places:
        return f"[mapping](#{places[kind].replace('.', '')})"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return codes(str(each.value) for each in kind)
    if get_origin(kind) is Literal:
        return codes(map(str, arguments))
    if get_origin(kind) is tuple:
        part = type_name(arguments[0], places)
        return part.replace("[mapping]", "[list]") if arguments[0] in places else f"list of {part}"
    if get_origin(kind) in (Mapping, dict):
        return "mapping"
    return " or ".join(type_name(each, places) for each in arguments) or WORDS[kind]


def _shown(value: object) -> str:
    """A default value as in YAML."""
    if isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return ""
    if value is None or value in ((), {}, ""):
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    text = str(getattr(value, "value", value))
    return code(text.lower() if isinstance(value, bool) else text.removesuffix(".0"))


def _with_values(said: str, kind: Any) -> str:
    """A field's description. For an enum, the descriptions of its values follow."""
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        return said
    texts = descriptions(kind)
    values = [f"{code(str(each.value))}: {texts[each.name]}" for each in kind if each.name in texts]
    return " ".join([said, *values]).strip()
