"""docs/reference.md: every setting, from the models, parsers and files that have them; and docs/from-helm.md."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import itertools
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from pydantic import BaseModel

from gitsync import cli
from gitsync.settings import Settings
from hack.helm.__main__ import documentation

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).resolve().parents[1]
HEAD = """# Reference

<!-- Written by hack/reference: change what it describes, then run it. -->
[gitsync's configuration](#gitsyncs-configuration) · [gitsync's command line](#gitsyncs-command-line) ·
[Airflow's settings](#airflows-settings) · [make](#make) · [components](#components). Stand-alone mode, with upstream
git-sync's flags, is in [git-sync.md](git-sync.md).
"""


def pages() -> dict[Path, str]:
    """What each generated page says."""
    parts = [HEAD, *configuration(), *command_line(), *airflow(), *make(), *components()]
    return {Path("docs/reference.md"): "\n".join(parts) + "\n", Path("docs/from-helm.md"): documentation()}


def configuration() -> Iterator[str]:
    """The file `gitsync.yaml`, a table for each of its parts."""
    yield "## gitsync's configuration\n"
    yield "The file `gitsync.yaml` of an overlay. `${NAME}` in it is a variable of the controller's environment."
    seen: set[type] = set()
    waiting: list[tuple[str, type]] = [("the file", Settings)]
    while waiting:
        path, model = waiting.pop(0)
        if model in seen:
            continue
        seen.add(model)
        about = _first_sentence(model)
        yield f"\n### {path}\n{about and chr(10) + about + chr(10)}\n| key | type | default | |\n|---|---|---|---|"
        for name, kind, default, text in fields(model):
            yield f"| `{name}` | {_code(type_name(kind))} | {_code(default)} | {text} |"
            below = name if model is Settings else f"{path}.{name}"
            waiting += [(below, part) for part in parts_of(kind)]


def fields(model: type) -> Iterator[tuple[str, Any, str, str]]:
    """Name, type, default and description of what a model or dataclass holds."""
    texts = descriptions(model)
    hints = get_type_hints(model)
    if issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            default = "required" if field.is_required() else _shown(field.get_default(call_default_factory=True))
            yield name, hints[name], default, texts.get(name, "")
    elif dataclasses.is_dataclass(model):
        for each in dataclasses.fields(model):
            made = each.default_factory() if callable(each.default_factory) else each.default
            shown = "required" if made is dataclasses.MISSING else _shown(made)
            yield each.name, hints[each.name], shown, texts.get(each.name, "")


def descriptions(model: type) -> dict[str, str]:
    """The docstrings under the fields of a class and its bases."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if cls.__module__.startswith("gitsync"):
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
            body = tree.body if isinstance(tree, ast.ClassDef) else []
            for field, text in itertools.pairwise(body):
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                    found[ast.unparse(field.target)] = _cell(str(ast.literal_eval(text.value)))
    return found


def parts_of(kind: Any) -> list[type]:  # noqa: ANN401 - any annotation
    """The models in an annotation that have a table of their own."""
    if isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)):
        return [kind]
    return [part for each in get_args(kind) for part in parts_of(each)]


def type_name(kind: Any) -> str:  # noqa: ANN401
    """An annotation as a reader writes it."""
    if isinstance(kind, type) and hasattr(kind, "__members__"):
        return ", ".join(str(each.value) for each in kind)  # type: ignore[attr-defined]
    if parts_of(kind):
        return "list" if "tuple" in str(kind) else "mapping"
    text = re.sub(r"(\w+\.)+", "", getattr(kind, "__name__", "") if isinstance(kind, type) else str(kind))
    text = re.sub(r"Annotated\[(\w+).*", r"\1", text)
    text = re.sub(r"Literal\[(.*)\]", lambda match: match[1].replace("'", ""), text)
    text = re.sub(r"tuple\[(\w+), \.\.\.\]", r"list of \1", text).replace("Mapping[str, str]", "mapping")
    text = text.replace("dict[str, str]", "mapping").replace(" | None", "").replace("Path", "path")
    words = {"str": "text", "int": "whole number", "float": "number", "bool": "true, false"}
    return re.sub(r"\b(str|int|float|bool)\b", lambda match: words[match[0]], text)


def _shown(value: object) -> str:
    if isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return ""
    if value is None or value in ((), {}, ""):
        return ""
    text = str(getattr(value, "value", value))
    return text.lower() if isinstance(value, bool) else text.removesuffix(".0")


def command_line() -> Iterator[str]:
    """Every command with its arguments."""
    yield "\n## gitsync's command line\n\nIn its pods: `kubectl exec statefulset/dev-gitsync -- gitsync COMMAND`."
    (commands,) = (each for each in cli._parser()._actions if isinstance(each, argparse._SubParsersAction))
    helps = {each.dest: each.help for each in commands._choices_actions}
    for name, parser in commands.choices.items():
        yield f"\n### gitsync {name}\n\n{_sentence(helps[name] or '')}"
        rows = [each for each in parser._actions if not isinstance(each, argparse._HelpAction)]
        if rows:
            yield "\n| argument | default | |\n|---|---|---|"
        for each in rows:
            called = ", ".join(each.option_strings) or str(each.metavar or each.dest)
            value = f" {each.metavar or each.dest.upper()}" if each.option_strings and each.nargs != 0 else ""
            default = "" if each.default in (None, False, "") or not each.option_strings else str(each.default)
            yield f"| `{called}{value}` | {_code(default)} | {_cell(each.help or '')} |"


def airflow() -> Iterator[str]:
    """The files that generate ConfigMaps, with the comments over their lines."""
    yield "\n## Airflow's settings\n\nFiles of `base/`; an overlay adds to one by a `configMapGenerator` that merges."
    for file in sorted([*CHECKOUT.glob("base/*/*.env"), *CHECKOUT.glob("base/components/*/*.env")]):
        yield f"\n### {file.relative_to(CHECKOUT)}\n\n| variable | value | |\n|---|---|---|"
        comment: list[str] = []
        for line in file.read_text().splitlines():
            if line.startswith("#"):
                comment.append(line.lstrip("# "))
            elif "=" in line:
                name, _, value = line.partition("=")
                yield f"| `{name}` | {_code(value)} | {_cell(' '.join(comment))} |"
                comment = []


def make() -> Iterator[str]:
    """The targets with their help."""
    text = (CHECKOUT / "Makefile").read_text()
    yield "\n## make\n\n| target | |\n|---|---|"
    yield from (f"| `make {name}` | {_cell(said)} |" for name, said in re.findall(r"(?m)^([a-z-]+):.*## (.*)$", text))
    yield "\n| variable | default | |\n|---|---|---|"
    for name, default, said in re.findall(r"(?m)^# ([A-Z_]+) \((.*?)\): (.*)$", text):
        yield f"| `{name}` | {_code(default if default != 'none' else '')} | {_cell(said)} |"


def components() -> Iterator[str]:
    """The first sentence of each README."""
    yield "\n## Components\n\nFor `components:` of an overlay.\n\n| component | |\n|---|---|"
    for file in sorted(CHECKOUT.glob("base/components/*/README.md")):
        sentence = file.read_text().split("\n", 1)[1].strip().split("\n\n")[0].split("\n## ")[0]
        yield f"| [`{file.parent.name}`](../{file.relative_to(CHECKOUT)}) | {_cell(sentence)} |"


def _first_sentence(model: type) -> str:
    own = model.__doc__ if model.__doc__ and not model.__doc__.startswith(f"{model.__name__}(") else ""
    return _cell((own or "").split("\n\n")[0])


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`" if text else ""


def _cell(text: str) -> str:
    """Text for one cell of a table."""
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())


def main() -> None:
    for path, text in pages().items():
        (CHECKOUT / path).write_text(text)
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
