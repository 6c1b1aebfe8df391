"""Analyses files that are not in the cache yet, in portions that fit into memory."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gitsync.impact import facts
from gitsync.impact.steps import Step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from gitsync.impact.cache import Known, Session
    from gitsync.impact.facts import Facts
    from gitsync.impact.side import Side
    from gitsync.impact.steps import Announce

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""A blob id, and the kind of file as which the blob is analysed."""
_File = tuple[str, int]
"""A path and its size in bytes."""
_BYTES, _FILES = 16 << 20, 200
"""Bytes and files of one portion."""
_SPARE, _FEW = 4, 1_000
"""The cache is cleaned when it has this many times the files of the two revisions, and this many more."""


def learn(session: Session, sides: Collection[Side], announce: Announce, beyond: Mapping[str, str]) -> dict[Key, Known]:
    """The facts of all files of ``sides``. Files that are not in the cache are analysed first.

    ``beyond`` has files that an earlier analysis could not finish with, by blob, each with the reason.
    """
    known = session.known()
    present: set[Key] = set()
    for side in sides:
        files = {(entry.blob, facts.kind(path)): (path, entry.size) for path, entry in side.files.items()}
        present |= files.keys()
        if new := {key: file for key, file in files.items() if key not in known}:
            # Each portion is kept, so that an analysis goes on from there if a limit has ended the one before it.
            session.add(_given_up(new, beyond))
            for part in _parts({key: file for key, file in new.items() if key[0] not in beyond}):
                session.add(_analysed(side, part, announce))
            log.info("impact.analysed", extra={"files": len(new)})
            known = session.known()
    if len(known) > _SPARE * len(present) + _FEW:
        session.forget_except({known[key].id for key in present})
    return {key: known[key] for key in present}


def _given_up(files: Iterable[Key], beyond: Mapping[str, str]) -> Iterator[tuple[str, str, Facts]]:
    return ((blob, kind, facts.beyond(kind, beyond[blob])) for blob, kind in files if blob in beyond)


def _analysed(side: Side, part: Mapping[Key, _File], announce: Announce) -> Iterator[tuple[str, str, Facts]]:
    readable = {key for key, (_, size) in part.items() if size <= facts.LIMITS[key[1]]}
    contents = side.read({blob for blob, _ in readable})
    for (blob, kind), (path, _) in part.items():
        if (blob, kind) in readable:
            announce(Step.FILE, path, blob)
            yield blob, kind, facts.analyse(kind, contents[blob])
        else:
            yield blob, kind, facts.unread(kind)


def _parts(files: Mapping[Key, _File]) -> Iterator[dict[Key, _File]]:
    part: dict[Key, _File] = {}
    volume = 0
    for key, (path, size) in files.items():
        if part and (volume + size > _BYTES or len(part) == _FILES):
            yield part
            part, volume = {}, 0
        part[key] = path, size
        volume += min(size, facts.LIMITS[key[1]])
    yield part
