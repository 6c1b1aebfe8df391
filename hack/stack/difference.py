"""What applying an overlay would change, as `kubectl diff` says it, in the words of a reader."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hack.stack.cluster import StackError

if TYPE_CHECKING:
    from pathlib import Path

    from hack.stack.instance import Instance

_FILE = re.compile(r"^(?:---|\+\+\+) \S*/(?:\S+\.)?v\d\w*\.(\w+)\.[^.]*\.(\S+)")
_NOISE = re.compile(r"^(---|\+\+\+|diff |[+-] +(generation|resourceVersion|uid|creationTimestamp):)")


def against_cluster(instance: Instance, directory: Path) -> str:
    """Return what would change; nothing when all is as it should be. Raises StackError.

    The server itself answers, so that defaults and what controllers have set are no differences.
    """
    status, output, error = instance.cluster.attempt("diff", "--server-side", "--force-conflicts", "-k", str(directory))
    if status > 1 or (status and not output):
        if re.search(r"namespaces .* not found", error):
            return f"=== Namespace {instance.namespace} is new, and all that goes into it\n"
        raise StackError(f"kubectl diff: {error.strip()}")
    return readable(output)


def readable(output: str) -> str:
    """Return a diff with the object's kind and name in place of temporary files, and without what the server counts.

    An object that is new is one line, and one that only the server's own counting touches is left out.
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
    """Return how many objects a diff is about."""
    number = len(re.findall(r"(?m)^=== ", text))
    return f"{number} object{'s' * (number != 1)}"
