"""The mirror of one repository: revisions fetched from the Git host, and exported as trees for members.

    refs/revisions/<sha>    the commit as its authors made it
    refs/trees/<sha>        a commit without parents; its tree is the exported tree of <sha>
    refs/submodules/<sha>/  commits of submodules in that tree
    refs/tagged/<sha>       the annotated tag, if the revision was fetched by one
    refs/offered/           all refs of a host that does not give out commits by id

Members fetch only ``refs/trees``: the exported tree and its difference from the trees that they have, and no history.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from gitsync.errors import GitSyncError, Refused, RemoteError, StoreError, VolumeFull
from gitsync.git import contents
from gitsync.git.clone import Clone, Tidying
from gitsync.git.command import CommandFailed, CommandTimedOut
from gitsync.git.export import Export, fetch_commit
from gitsync.git.remote import Remote, no_such_ref
from gitsync.git.repository import Repository, settle
from gitsync.log import redacted
from gitsync.revision import REVISION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from gitsync.airflow.entries import Entry

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_REVISIONS, _TREES, _SUBMODULES, TAGGED = "refs/revisions/", "refs/trees/", "refs/submodules/", "refs/tagged/"
_COLLECT = {Tidying.AUTO: ("--auto",), Tidying.ALWAYS: (), Tidying.AGGRESSIVE: ("--aggressive",)}
_NOBODY = {f"GIT_{role}_{item}": value for role in ("AUTHOR", "COMMITTER")
           for item, value in (("NAME", "gitsync"), ("EMAIL", "gitsync"), ("DATE", "@0 +0000"))}  # fmt: skip
"""A fixed author and date, so that every controller makes the same commit of a revision."""


class Mirror:
    """A mirror. One thread of one process writes it; many read it, also `git http-backend`."""

    def __init__(self, directory: Path, *, timeout: float = 120.0, clone: Clone | None = None) -> None:
        self.directory = directory
        self.timeout = timeout
        self.clone = clone or Clone()
        self._repository = Repository(directory, timeout=timeout)
        self._fresh = directory
        self._suspect, self._failed = True, False
        """Reasons to check the repository before the next fetch. Suspect: a process may have been killed, or a command
        failed. Failed: an object could not be read; then contents are checked, too."""
        self._tip: tuple[str, str] | None = None
        """The object to which the ref led at the last look, and its commit."""
        self.generation = 0
        """The number of times that a new repository has replaced a damaged one. Earlier exports may be gone then."""

    def prepare(self) -> None:
        """Make the repository, or remove a crash's leftovers in it. Raises StoreError."""
        self._fresh = settle(self.directory)
        if self.directory.exists():
            self._repository.recover()
        else:
            self._repository.make()

    def until(self, ends: float) -> None:
        """Kill every later command at ``ends``, on the monotonic clock."""
        self._repository.ends = ends

    # Fetching

    def fetch(self, remote: Remote, ref: str) -> str:
        """Fetch ``ref``, a branch, a tag or a full commit id, and return its commit. Raises RemoteError."""
        return self._soundly(lambda repository: self._latest(repository, remote, ref))

    def take(self, remote: Remote, revision: str) -> None:
        """Fetch the tree of ``revision`` that another mirror has exported. Raises RemoteError."""
        name = f"{_TREES}{revision}"
        # With a depth, the sender leaves out files of all trees that are here. Without it, only files of parents.
        self._soundly(lambda repository: repository.fetch(remote, f"+{name}:{name}", "--depth=1"))
        self.collect(self.clone.gc)

    def _soundly(self, fetch: Callable[[Repository], _T]) -> _T:
        """Fetch. If the repository is damaged, fetch into a new one, which replaces the old one when it is complete."""
        if not (self._suspect or self._failed) or self._repository.sound(thorough=self._failed):
            self._suspect = self._failed = False
            try:
                return fetch(self._repository)
            except RemoteError as error:
                self._suspect = error.reason == "FetchFailed"
                raise
        log.warning("store.damaged", extra={"directory": str(self.directory)})
        return self._anew(fetch)

    def _anew(self, fetch: Callable[[Repository], _T]) -> _T:
        settle(self.directory)
        fresh = Repository(self._fresh, timeout=self.timeout)
        fresh.ends = self._repository.ends
        fresh.make()
        self._tip = None
        result = fetch(fresh)
        with suppress(GitSyncError):
            self._rescue(fresh)
        fresh.replace(self._repository)
        self._repository, self._suspect, self._failed = fresh, False, False
        self.generation += 1
        log.info("store.renewed", extra={"directory": str(self.directory)})
        return result

    def _rescue(self, fresh: Repository) -> None:
        """Copy the readable revisions of the damaged repository, because the host may no longer have them."""
        for name in self._references():
            with suppress(GitSyncError):
                fresh.fetch(Remote(str(self.directory)), f"+{name}:{name}")

    def _latest(self, repository: Repository, remote: Remote, ref: str) -> str:
        tip = ref if REVISION.fullmatch(ref) else _advertised(repository, remote, ref)
        if self._tip is not None and self._tip[0] == tip:
            return self._tip[1]
        if tip == ref and (commit := repository.peel(ref)):
            self._tip = (tip, commit)
            return commit
        self._fetch(repository, remote, ref)
        found = ref if tip == ref else repository.run("rev-parse", "FETCH_HEAD").decode().strip()
        if (commit := repository.peel(found)) is None:
            raise RemoteError("NotACommit", f"{ref!r} in {redacted(remote.url)} is no commit; correct `ref`")
        if found != commit:
            repository.run("update-ref", f"{TAGGED}{commit}", found)
        self._tip = (found, commit)
        return commit

    def _fetch(self, repository: Repository, remote: Remote, ref: str) -> None:
        clone = self.clone
        options = [f"--depth={clone.depth}"] if clone.depth else ["--unshallow"] if repository.shallow else []
        if clone.filter:
            repository.promise(clone.filter)
            options.append(f"--filter={clone.filter}")
        elif repository.partial:
            options.append("--no-filter")
        if REVISION.fullmatch(ref):
            fetch_commit(repository, remote, ref, *options)
        else:
            repository.fetch(remote, ref, *options)

    # Exporting

    def export(self, revision: str, url: str, remotes: Callable[[str], Remote] = Remote) -> None:
        """Export the tree of the fetched commit ``revision``. Once exported, it never changes.

        ``url`` is the repository's address. ``remotes`` gives the credentials for it, and for those of submodules.
        Raises Refused, RemoteError or StoreError.
        """
        if self.exported(revision):
            return
        work = Export(self._repository, self.clone, url, remotes)
        with self._explaining(f"cannot export {revision}"):
            tree = work.tree(revision)
            commit = self._repository.run("commit-tree", tree, "-m", revision, env=_NOBODY).decode().strip()
            names = {f"{_REVISIONS}{revision}": revision, f"{_TREES}{revision}": commit}
            names |= {f"{_SUBMODULES}{revision}/{module}": module for module in work.submodules}
            self._update_references(f"update {name} {target}" for name, target in names.items())
        self.collect(self.clone.gc)

    def exported(self, revision: str) -> bool:
        """Whether the tree of ``revision`` is exported."""
        return self._repository.peel(f"{_TREES}{revision}") is not None

    def revisions(self) -> frozenset[str]:
        """All exported revisions."""
        return frozenset(name.removeprefix(_TREES) for name in self._references() if name.startswith(_TREES))

    def forget(self, revisions: Collection[str]) -> None:
        """Remove the references to ``revisions``. A later gc removes their objects. Raises StoreError."""
        with self._explaining("cannot forget old revisions"):
            doomed = [name for name in self._references() if name.split("/")[2] in revisions]
            self._update_references(f"delete {name}" for name in doomed)

    def _references(self) -> list[str]:
        return self._repository.references(_REVISIONS, _TREES, _SUBMODULES, TAGGED)

    def _update_references(self, lines: Iterable[str]) -> None:
        self._repository.run("update-ref", "--stdin", stdin="".join(f"{line}\n" for line in lines).encode())

    def collect(self, how: Tidying, *, expire: str = "") -> None:
        """Run Git's gc. A failure is only logged, because publications must go on.

        ``expire`` is Git's ``gc.pruneExpire``, for a mirror that no member reads.
        """
        if how is Tidying.OFF:
            return
        try:
            self._repository.run("gc", "--quiet", *_COLLECT[how], config={"gc.pruneExpire": expire} if expire else {})
        except (CommandFailed, CommandTimedOut) as error:
            self._repository.recover()
            self._suspect = True
            log.warning("store.untidy", extra={"error": str(error)})

    # Reading exported trees

    def files(self, revision: str) -> dict[str, Entry]:
        """Every file of the exported tree, by path. Raises StoreError."""
        with self._explaining(f"cannot list {revision}"):
            return contents.listing(self._repository, f"{_TREES}{revision}", sizes=True)

    def paths(self, revision: str) -> list[str]:
        """The path of every file of the exported tree. Raises StoreError."""
        with self._explaining(f"cannot list {revision}"):
            return contents.paths(self._repository, f"{_TREES}{revision}")

    def size(self, revision: str, paths: Collection[str] | None = None) -> int:
        """Bytes of the files ``paths`` of the exported tree, or of all files. Raises StoreError."""
        with self._explaining(f"cannot list {revision}"):
            return contents.size(self._repository, f"{_TREES}{revision}", paths)

    def read(self, blobs: Collection[str]) -> dict[str, bytes]:
        """Contents by the ids that ``files`` gives. Raises StoreError."""
        with self._explaining("cannot read files"):
            return contents.read(self._repository, blobs)

    def changed(self, old: str, new: str) -> frozenset[str]:
        """Paths in which two exported trees differ; a renamed file is two paths. Raises StoreError."""
        with self._explaining(f"cannot compare {old} and {new}"):
            return contents.changed(self._repository, f"{_TREES}{old}", f"{_TREES}{new}")

    def write_files(self, revision: str, directory: Path, paths: Collection[str] | None = None) -> None:
        """Write the files ``paths`` of the exported tree, or all, into ``directory``. Raises StoreError."""
        with self._explaining(f"cannot write the tree of {revision}"):
            contents.write(self._repository, f"{_TREES}{revision}", directory, paths)

    def require_directory(self, revision: str, path: str) -> None:
        """Raise Refused if the exported tree has no directory ``path``. An empty ``path`` is the whole tree."""
        try:
            kind = self._repository.run("cat-file", "-t", f"{_TREES}{revision}:{path.strip('/')}").decode().strip()
        except CommandFailed:
            kind = "nothing"
        if kind != "tree":
            message = f"revision {revision[:12]} has no directory {path!r}; correct `subdirectory` or push one"
            raise Refused("SubdirectoryMissing", message)

    def has(self, revision: str) -> bool:
        """Whether the commit ``revision`` is in the repository, also in a shallow one."""
        return self._repository.has(revision)

    def resolve(self, name: str) -> str:
        """The full id of the one commit whose id begins with ``name``. Raises RemoteError."""
        try:
            if not re.fullmatch("[0-9a-f]{4,64}", name):
                raise CommandFailed("rev-parse", "not a commit id")
            return self._repository.run("rev-parse", "--verify", f"{name}^{{commit}}").decode().strip()
        except CommandFailed:
            message = f"{name!r} is not the id of one fetched commit; give the full id, or push the commit to the ref"
            raise RemoteError("RefNotFound", message) from None

    def descends(self, new: str, old: str) -> bool | None:
        """Whether ``old`` is in the history of ``new``; None if the repository has too little history to tell."""
        try:
            self._repository.run("merge-base", "--is-ancestor", old, new)
        except CommandFailed as failure:
            return False if failure.code == 1 and not self._repository.shallow else None
        return True

    @property
    def suspected(self) -> bool:
        """Whether an object could not be read, so that the next fetch checks the whole repository."""
        return self._failed

    def suspect(self) -> None:
        """Make the next fetch check the whole repository, and replace it if it is damaged."""
        self._failed = True

    @contextmanager
    def _explaining(self, what: str) -> Iterator[None]:
        """Turn failures of local commands into StoreError. ``what`` is the failed action, for the message."""
        try:
            yield
        except contents.StoreDamaged:
            self.suspect()
            raise
        except (OSError, CommandFailed, CommandTimedOut) as error:
            if isinstance(error, CommandFailed) and error.volume_full:
                raise VolumeFull(f"{what}: the volume is full; make it larger") from error
            self.suspect()
            raise StoreError(f"{what}: {error}; check the free space of {self.directory}") from error


def _advertised(repository: Repository, remote: Remote, ref: str) -> str:
    """The object to which ``ref`` leads at the remote, by the same precedence as in `git fetch`. Raises RemoteError."""
    lines = repository.ask(remote, "ls-remote", "--quiet", "origin", ref, subject=ref).splitlines()
    tips = {name: tip for tip, _, name in (line.partition("\t") for line in lines)}
    for pattern in ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}"):
        if tip := tips.get(pattern.format(ref)):
            return tip
    raise no_such_ref(ref, remote.url)
