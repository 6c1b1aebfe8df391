"""Exports a revision: makes the tree for its readers, with sparse patterns applied and submodules in place."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.airflow.entries import SUBMODULE, Entry
from gitsync.errors import Refused, RemoteError
from gitsync.git import sparse, submodules
from gitsync.git.address import Address
from gitsync.git.clone import Clone, Submodules
from gitsync.git.contents import LISTING_LIMIT, listing, too_large
from gitsync.log import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from gitsync.git.remote import Remote
    from gitsync.git.repository import Repository

DEEPEST = 10
"""Levels of nested submodules."""
MOST_SUBMODULES = 200
_LEVELS = {Submodules.OFF: 0, Submodules.SHALLOW: 1, Submodules.RECURSIVE: DEEPEST}


@dataclass
class Export:
    """The export of one revision."""

    repository: Repository
    clone: Clone
    url: str
    remotes: Callable[[str], Remote]
    """Gives the credentials for an address. A submodule's address may belong to anybody."""
    submodules: set[str] = field(default_factory=set)
    """The commits of all submodules in the tree."""

    def tree(self, revision: str) -> str:
        """Make the tree of ``revision`` in the repository, and return its id. Raises Refused or RemoteError."""
        if self.repository.partial:
            self._fetch_missing(revision, "--filter=blob:none")
        whole = listing(self.repository, revision)
        wanted = self._selected(revision, whole)
        if self.repository.partial:
            self._fetch_missing(revision, wanted={entry.blob for entry in _with_modules(wanted, whole).values()})
        files = self._inlined(wanted, revision, self.url, level=1)
        return f"{revision}^{{tree}}" if files == whole else self._written(files)

    def _selected(self, revision: str, whole: Mapping[str, Entry]) -> dict[str, Entry]:
        if not (patterns := self.clone.patterns()):
            return dict(whole)
        paths = sparse.selected(self.repository, revision, patterns)
        if not paths:
            message = f"the sparse patterns select no file of revision {revision[:12]}; correct `sparse`"
            raise Refused("NothingSelected", message)
        return {path: entry for path, entry in whole.items() if path in paths}

    def _fetch_missing(self, revision: str, *options: str, wanted: Collection[str] | None = None) -> None:
        """Fetch the objects of ``revision``'s tree that a partial clone lacks; with ``wanted``, only these ids."""
        listed = self.repository.run(
            "rev-list", "--objects", "--no-walk", "--missing=print", *options, revision
        )  # fmt: skip
        missing = {line[1:] for line in listed.decode(errors="replace").splitlines() if line.startswith("?")}
        if wanted is not None:
            missing &= set(wanted)
        if missing:
            asked = "".join(f"{oid}\n" for oid in sorted(missing)).encode()
            # The same options as in Git's own fetch on demand. A negotiation is about commits, and useless here.
            fixed = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no")
            self.repository.ask(
                self.remotes(self.url), "-c", "fetch.negotiationAlgorithm=noop", *fixed, "--filter=blob:none",
                "--stdin", "origin", stdin=asked, subject=revision,
            )  # fmt: skip

    def _inlined(self, files: dict[str, Entry], commit: str, url: str, *, level: int) -> dict[str, Entry]:
        """``files`` of ``commit``, with each submodule replaced by its files. Raises Refused or RemoteError."""
        links = {path: entry.blob for path, entry in files.items() if entry.mode == SUBMODULE}
        inlined = {path: entry for path, entry in files.items() if path not in links}
        deepest = _LEVELS[self.clone.submodules]
        if not links or (level > deepest and self.clone.submodules is not Submodules.RECURSIVE):
            return inlined
        addresses, left_out = submodules.declared(self.repository, commit, url)
        links = {path: link for path, link in links.items() if path not in left_out}
        if links and (level > deepest or len(self.submodules) + len(links) > MOST_SUBMODULES):
            message = f"submodules nest deeper than {DEEPEST} or are more than {MOST_SUBMODULES}"
            raise Refused("TooManySubmodules", f"{message} in {commit[:12]}; set `submodules` to shallow or off")
        for path, link in links.items():
            if path not in addresses:
                message = (
                    f"submodule {path!r} has no address in .gitmodules of {commit[:12]}; add it or remove the link"
                )
                raise Refused("SubmoduleUnknown", message)
            submodules.require_within(path, addresses[path], self.clone.submodules_within)
            content = self._submodule(path, link, addresses[path], trusted=url)
            nested = self._inlined(content, link, addresses[path], level=level + 1)
            inlined |= {f"{path}/{name}": entry for name, entry in nested.items()}
            if sum(map(len, inlined)) > LISTING_LIMIT:
                raise too_large(commit)
        return inlined

    def _submodule(self, path: str, commit: str, url: str, *, trusted: str) -> dict[str, Entry]:
        try:
            if not self.repository.has(commit):
                self._fetch_submodule(path, commit, url, trusted)
        except RemoteError as error:
            raise RemoteError(error.reason, f"submodule {path!r}: {error}") from error
        self.submodules.add(commit)
        return listing(self.repository, commit)

    def _fetch_submodule(self, path: str, commit: str, url: str, trusted: str) -> None:
        if Address.parse(url) is None and Address.parse(trusted) is not None:
            message = (
                f"submodule {path!r}: {redacted(url)} is no address that a repository may name; correct .gitmodules"
            )
            raise Refused("ProtocolRefused", message)
        depth = [f"--depth={self.clone.depth}"] if self.clone.depth else []
        fetch_commit(self.repository, self.remotes(url), commit, "--no-write-fetch-head", *depth, name="submodule")

    def _written(self, files: Mapping[str, Entry]) -> str:
        lines = (f"{entry.mode} {entry.blob}\t{path}\0" for path, entry in files.items())
        with self.repository.scratch() as scratch:
            env = {"GIT_INDEX_FILE": str(scratch / "index")}
            self.repository.run("update-index", "-z", "--index-info", env=env, stdin=os.fsencode("".join(lines)))
            return self.repository.run("write-tree", env=env).decode().strip()


def fetch_commit(repository: Repository, remote: Remote, commit: str, *options: str, name: str = "origin") -> None:
    """Fetch ``commit`` by its id. If the host offers only branches and tags, fetch all of these. Raises RemoteError."""
    try:
        repository.fetch(remote, commit, *options, name=name)
    except RemoteError as error:
        if error.reason != "RevisionNotOffered":
            raise
        whole = [option for option in options if not option.startswith("--depth")]
        # Pruned, because a branch may be where a folder of branches was.
        repository.fetch(remote, "+refs/*:refs/offered/*", "--prune", *whole, name=name)
        if not repository.has(commit):
            raise


def _with_modules(files: Mapping[str, Entry], whole: Mapping[str, Entry]) -> dict[str, Entry]:
    modules = {".gitmodules": whole[".gitmodules"]} if ".gitmodules" in whole else {}
    return {**files, **modules}
