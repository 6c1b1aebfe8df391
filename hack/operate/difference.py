"""Shows the changes that applying an overlay would make: the output of `kubectl diff`, made readable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hack.operate.cluster import in_one_line
from hack.operate.errors import Failure

if TYPE_CHECKING:
    from pathlib import Path

    from hack.operate.instance import Instance

_FILE = re.compile(r"^(?:---|\+\+\+) \S*/(?:\S+\.)?v\d\w*\.(\w+)\.[^.]*\.(\S+)")
_NOISE = re.compile(r"^(---|\+\+\+|diff |[+-] +(generation|resourceVersion|uid|creationTimestamp):)")


def against_cluster(instance: Instance, directory: Path) -> str:
    """Return the changes as text; an empty text if there are none. Raises Failure.

    The server computes them (server-side apply), so defaults and fields of controllers are no differences.
    """
    status, output, error = instance.cluster.attempt("diff", "--server-side", "--force-conflicts", "-k", str(directory))
    if status > 1 or (status and not output):
        if re.search(r"namespaces .* not found", error):
            return f"=== Namespace {instance.namespace} is new, and all that goes into it\n"
        raise Failure(f"kubectl diff: {in_one_line(error)}")
    return readable(output)


def readable(output: str) -> str:
    """Return a diff with kinds and names of objects in place of temporary files, without fields such as `generation`.

    A new object is one line. An object with changes only in such fields is left out.
    """
    sections = re.split(r"(?m)^diff .*\n", output)[1:]
    return "".join(filter(None, map(_section, sections)))


def _section(text: str) -> str:
    lines = text.splitlines()
    found = _FILE.match(lines[0])
    title = f"=== {found[1]} {found[2]}" if found else f"=== {lines[0]}"
    kept = ["…" if line.startswith("@@") else line for line in lines if not _NOISE.match(line)][1:]
    if not any(line[:1] in {"-", "+"} for line in kept):
        return ""
    if all(line[:1] == "+" for line in kept):
        return f"{title} is new\n"
    if title.startswith("=== Secret "):
        return f"{title} differs; its values are not shown\n"
    return "\n".join([title, *kept]) + "\n"


def counted(text: str) -> str:
    """Return the number of objects in a diff, as text."""
    number = len(re.findall(r"(?m)^=== ", text))
    return f"{number} object{'s' * (number != 1)}"
