"""Sorts ``--git-config``: what goes to Git, and what is nobody's and is dropped with a warning.

Git-sync gives all keys to Git, which ignores those of sections that it does not have. What is left goes to
`gitsync.access.credentials`, which refuses keys that could start programs.
"""

from __future__ import annotations

import re

from gitsync.git.trust import KEY

Pairs = tuple[tuple[str, str], ...]

SECTIONS = re.compile(
    "add|advice|alias|am|apply|author|blame|branch|browser|bundle|checkout|clean|clone|color|column|commit"
    "|commitgraph|committer|completion|core|credential|credentialcache|credentialstore|diff|difftool"
    "|extensions|fastimport|feature|fetch|filter|format|fsck|fsmonitor|gc|gitcvs|gitweb|gpg|grep|gui|guitool"
    "|help|hook|http|i18n|imap|include|includeif|index|init|instaweb|interactive|log|lsrefs|mailinfo|mailmap"
    "|maintenance|man|merge|mergetool|notes|pack|pager|pretty|promisor|protocol|pull|push|rebase|receive"
    "|reftable|remote|remotes|repack|replay|rerere|revert|safe|sendemail|sequence|showbranch|sparse|splitindex"
    "|ssh|stash|status|submodule|tag|tar|trace2|trailer|transfer|uploadarchive|uploadpack|uploadpackfilter|url"
    "|user|versionsort|web|worktree"
)
"""The sections of Git's own configuration, as `git help --config` lists them."""


def effective(pairs: Pairs) -> Pairs:
    """The pairs of Git's own sections, but for that of `gitsync.git.trust`."""
    return tuple((key, value) for key, value in pairs if key.lower() != KEY and not _foreign(key))


def foreign(pairs: Pairs) -> list[str]:
    """The keys of sections that Git does not have."""
    return [key for key, _value in pairs if _foreign(key)]


def _foreign(key: str) -> bool:
    section, dot, _rest = key.lower().partition(".")
    return bool(dot) and SECTIONS.fullmatch(section) is None
