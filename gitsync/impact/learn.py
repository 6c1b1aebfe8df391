"""Analysing what is new, and reading it in parts that fit into memory."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gitsync.impact import facts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from gitsync.impact.cache import Known, Session
    from gitsync.impact.facts import Facts
    from gitsync.impact.side import Side

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""A blob and the kind of file that it is analysed as."""
_BYTES, _FILES = 32 << 20, 1_000
"""Read at once."""
_SPARE = 4
"""The cache may hold this many times what the two revisions have."""


def learn(session: Session, sides: Collection[Side]) -> dict[Key, Known]:
    """What is known of every file of ``sides``, once the new ones have been analysed."""
    known = session.known()
    present: set[Key] = set()
    for side in sides:
        sizes = {(entry.blob, facts.kind(path)): entry.size for path, entry in side.files.items()}
        present |= sizes.keys()
        if new := {key: size for key, size in sizes.items() if key not in known}:
            session.add(_analysed(side, new))
            log.info("impact.analysed", extra={"files": len(new)})
            known = session.known()
    if len(known) > _SPARE * len(present) + _FILES:
        session.forget_except({known[key].id for key in present})
    return {key: known[key] for key in present}


def _analysed(side: Side, sizes: Mapping[Key, int]) -> Iterator[tuple[str, str, Facts]]:
    for part in _parts(sizes):
        contents = side.read({blob for blob, kind in part if sizes[blob, kind] <= facts.LIMITS[kind]})
        for blob, kind in part:
            readable = sizes[blob, kind] <= facts.LIMITS[kind]
            yield blob, kind, facts.analyse(kind, contents[blob]) if readable else facts.unread(kind)


def _parts(sizes: Mapping[Key, int]) -> Iterator[list[Key]]:
    part: list[Key] = []
    volume = 0
    for key, size in sizes.items():
        if part and (volume + size > _BYTES or len(part) == _FILES):
            yield part
            part, volume = [], 0
        part.append(key)
        volume += min(size, facts.LIMITS[key[1]])
    yield part
