"""Reads YAML from people: any encoding with a mark, bounded in size, each key once. Every fault is a Failure."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import yaml

from hack.operate.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
LARGEST = 4 * 1024 * 1024
"""Bytes. The official chart's own values have 0.4 MB."""
MOST = 200_000
"""Values after all aliases have been followed."""
DEEPEST = 60


def documents(content: bytes, name: str) -> list[Any]:
    """The documents of a file. Keys are texts, empty documents are left out. Raises Failure, which names the file."""
    if len(content) > LARGEST:
        raise Failure(f"{name} has {len(content)} bytes, and values have at most {LARGEST}")
    loader = _Loader(_text(content, name))
    try:
        found = list(_constructed(loader, name))
    except RecursionError:
        raise Failure(f"{name} is nested deeper than {DEEPEST} levels: no values of a chart are") from None
    except (yaml.YAMLError, ValueError) as error:
        words = " ".join(str(error).split())
        raise Failure(f"{name} is not YAML, or is a template (render it first): {words}") from error
    finally:
        loader.dispose()
    return [each for each in found if each is not None]


def _constructed(loader: _Loader, name: str) -> Iterator[Any]:
    while loader.check_node():
        if node := loader.get_node():
            _count(node, {}, (), name)
            yield loader.construct_document(node)


def _text(content: bytes, name: str) -> str:
    encoding = next((encoding for mark, encoding in MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        cure = f"`iconv -f LATIN1 -t UTF-8 {name}` converts a Latin-1 file"
        raise Failure(f"{name} is not UTF-8, see byte {error.start}: {cure}") from None


def _count(node: yaml.Node, known: dict[int, int], above: tuple[int, ...], name: str) -> int:
    """Count values as if each alias were written out. ``known`` has the numbers of nodes that are done."""
    if id(node) in above:
        raise Failure(f"{name} has an anchor that refers to itself, in line {node.start_mark.line + 1}")
    if id(node) in known:
        return known[id(node)]
    if len(above) > DEEPEST:
        raise Failure(f"{name} is nested deeper than {DEEPEST} levels, in line {node.start_mark.line + 1}")
    total = 1 + sum(_count(each, known, (*above, id(node)), name) for each in _below(node))
    if total > MOST:
        raise Failure(f"{name} has more than {MOST} values when its aliases are followed: no values of a chart have")
    known[id(node)] = total
    return total


def _below(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


class _Loader(yaml.SafeLoader):
    """Keys are the texts that were written, and no mapping has one twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        _each_once(node)
        self.flatten_mapping(node)
        return {_key(key): self.construct_object(value, deep=deep) for key, value in node.value}


def _each_once(node: yaml.MappingNode) -> None:
    seen: dict[str, int] = {}
    for key, _value in node.value:
        word, line = _key(key), key.start_mark.line + 1
        if word in seen and key.tag != "tag:yaml.org,2002:merge":
            raise Failure(f"the key {word} is there twice, in lines {seen[word]} and {line}: keep one of them")
        seen[word] = line


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        line = node.start_mark.line + 1
        raise Failure(f"line {line} has a list or a mapping as a key: it is a template (render it first), or not YAML")
    return str(node.value)
