"""A DAG bundle over the trees that gitsync keeps: each run stays on its commit, and no task ever sees a flip.

Airflow imports this module in all of its components, so it needs nothing but Airflow and the standard library.
What it relies on in Airflow is in docs/airflow.md.
"""

from __future__ import annotations

import filecmp
import http.client
import logging
import os
import re
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

log = logging.getLogger(__name__)

SIDECAR_SECONDS = 60.0
"""How long a revision that is not on the volume is waited for."""

SETTLE_SECONDS = 300.0
"""How long a task waits for the end of a publication: as long as a new controller may need to finish it."""

MARGIN = timedelta(seconds=0.5)
"""Between the end of a parse and the time that Airflow records for it lie a few database statements."""

_REVISION = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class RevisionUnavailable(RuntimeError):
    """The tree of a revision cannot be had: the task fails, and says why."""


class GitSyncBundle(BaseDagBundle):
    """The tree of one revision; in the DAG processor, the tree of whichever is current."""

    def __init__(
        self,
        *,
        root: str,
        subdirectory: str = "",
        versioned: bool = True,
        sidecar: str = "http://127.0.0.1:8099",
        source: str | None = None,
        **kwargs: object,
    ) -> None:
        """``source``: its name in gitsync's configuration, when that is not the bundle's."""
        super().__init__(**kwargs)
        if PurePosixPath(subdirectory).is_absolute() or ".." in PurePosixPath(subdirectory).parts:
            raise ValueError(f"bundle {self.name}: subdirectory {subdirectory!r} must be inside the repository")
        self.supports_versioning = versioned
        self._root = Path(root)
        self._subdirectory = subdirectory
        self._sidecar = sidecar
        self._source = source or self.name
        self._tree: Path | None = None
        self._head: Path | None = None
        self._moved: datetime | None = None

    @property
    def path(self) -> Path:
        """Airflow also asks bundles that it has not initialized, so the tree is chosen at the first question."""
        return (self._head or self._chosen()) / self._subdirectory

    def initialize(self) -> None:
        """Choose the tree, which then stays the same for this object's life unless it is refreshed."""
        self._chosen()
        super().initialize()

    def get_current_version(self) -> BundleVersion | None:
        """The commit, whole."""
        return BundleVersion(self._chosen().name) if self.supports_versioning else None

    def refresh(self) -> None:
        """Follow the published revision; only the DAG processor's main loop does this.

        Files that are queued for parsing keep the path they were queued with, and their result is recorded under the
        version known when it is collected. So the path stays the same for ever, and a link behind it moves here.
        """
        if self.version:
            raise RuntimeError(f"bundle {self.name}: version {self.version} is fixed and cannot be refreshed")
        before = self._chosen()
        after = self._checked(_published(self._root))
        if self._head is None or before != after:
            self._head = _point(self.base_dir / "head", after)
            self._tree, self._moved = after, datetime.now(UTC)
        self._parse_soon(before, after)

    def _chosen(self) -> Path:
        if self._tree is None:
            self._tree = self._checked(self._recorded(self.version) if self.version else self._current())
        return self._tree

    def _current(self) -> Path:
        """What is published; where runs are not pinned, only once it cannot be taken back any more."""
        limit = time.monotonic() + SETTLE_SECONDS
        while True:
            tree = _published(self._root)
            if self.supports_versioning or not (self._root / ".unsettled").exists():
                return tree
            if time.monotonic() > limit:
                raise RevisionUnavailable(
                    f"bundle {self.name}: a publication has been neither finished nor taken back for"
                    f" {SETTLE_SECONDS:.0f} s; see `gitsync status`"
                )
            time.sleep(0.05)

    def _recorded(self, revision: str) -> Path:
        if not _REVISION.fullmatch(revision):
            raise RevisionUnavailable(f"bundle {self.name}: {revision!r} is not a commit: another bundle recorded it")
        tree = self._root.resolve() / "revisions" / revision
        if not tree.is_dir():
            _stage(self._sidecar, self._source, revision)
        return tree

    def _checked(self, tree: Path) -> Path:
        if not (tree / self._subdirectory).is_dir():
            # An empty listing would make every DAG of the bundle stale.
            raise RevisionUnavailable(f"bundle {self.name}: no directory {tree / self._subdirectory}")
        return tree

    def _parse_soon(self, before: Path, after: Path) -> None:
        """Have Airflow parse what changed now, not in its next round; a failure costs time only."""
        try:
            files = self._changed(before, after) if before != after else self._mixed_up()
            if files:
                self._ask_for_parsing(files)
                log.info("bundle %s: asked for parsing of %s", self.name, ", ".join(sorted(files)[:10]))
        except Exception:
            log.exception("bundle %s: changed files are parsed later, in Airflow's next round", self.name)

    def _changed(self, before: Path, after: Path) -> set[str]:
        """The DAG files to parse: gitsync gives each that changed, or imports or reads what changed, a new inode."""
        from airflow.utils.file import list_py_file_paths

        home = after / self._subdirectory
        dag_files = {str(Path(path).relative_to(home)) for path in list_py_file_paths(home)}
        return _changed_files(before / self._subdirectory, home, dag_files)

    def _mixed_up(self) -> set[str]:
        """DAG files whose parse began before the link moved and was recorded after it, under the new version."""
        from airflow.models.dag import DagModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        if self._moved is None:
            return set()
        columns = (DagModel.relative_fileloc, DagModel.last_parsed_time, DagModel.last_parse_duration)
        recorded_since = (
            DagModel.bundle_name == self.name,
            DagModel.is_stale.is_(False),
            DagModel.last_parsed_time >= self._moved,
        )
        with create_session() as session:
            rows = session.execute(select(*columns).where(*recorded_since)).all()
        return {
            file
            for file, recorded, duration in rows
            if file and recorded - timedelta(seconds=duration or 0) < self._moved + MARGIN
        }

    def _ask_for_parsing(self, files: Collection[str]) -> None:
        from airflow.models.dagbag import DagPriorityParsingRequest as Request
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            asked = set(session.scalars(select(Request.relative_fileloc).where(Request.bundle_name == self.name)))
            session.add_all(Request(bundle_name=self.name, relative_fileloc=file) for file in {*files} - asked)


def _published(root: Path) -> Path:
    link = root / "current"
    try:
        return root.resolve() / link.readlink()
    except OSError as error:
        raise RevisionUnavailable(
            f"{link} cannot be read ({error.strerror}): gitsync has published nothing yet, or the volume is not mounted"
        ) from error


def _point(link: Path, tree: Path) -> Path:
    """Move ``link`` to ``tree`` in one atomic step."""
    link.parent.mkdir(parents=True, exist_ok=True)
    following = link.with_name(f".{link.name}.{os.getpid()}")
    following.unlink(missing_ok=True)  # a crash may have left it, under a process id that came again
    following.symlink_to(tree)
    following.replace(link)
    return link


def _changed_files(before: Path, after: Path, dag_files: set[str]) -> set[str]:
    """Those of ``dag_files`` that are not the same file in two trees."""
    old, new = dict(_files(before)), dict(_files(after))
    changed = {path for path, file in new.items() if path not in old or not _same(old[path], file)}
    if len(changed) < len(new):
        return dag_files & changed
    # Nothing is shared: the trees were not made from each other, so that only contents can tell.
    _match, different, odd = filecmp.cmpfiles(before, after, new, shallow=False)
    filecmp.clear_cache()
    return dag_files if old.keys() != new.keys() or different or odd else set()


def _same(old: os.stat_result, new: os.stat_result) -> bool:
    """One file with two names; or a copy of it, on a volume that has no hard links."""
    if (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino):
        return True
    return (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns)


def _files(home: Path, below: str = "") -> Iterable[tuple[str, os.stat_result]]:
    with suppress(FileNotFoundError), os.scandir(home / below) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(home, f"{below}{entry.name}/")
            else:
                yield f"{below}{entry.name}", entry.stat(follow_symlinks=False)


def _stage(sidecar: str, source: str, revision: str) -> None:
    """Have the sidecar in this pod put ``revision`` of ``source`` on the volume. Raises RevisionUnavailable."""
    limit = time.monotonic() + SIDECAR_SECONDS
    pause = 0.1
    while True:
        left = limit - time.monotonic()
        status, answer = _ask(sidecar, f"/revisions/{source}/{revision}", max(left, 0.1))
        if status == http.client.OK:
            return
        if status == http.client.NOT_FOUND or left <= pause:
            raise RevisionUnavailable(
                f"revision {revision} is not on this pod's volume, and gitsync's sidecar at {sidecar} cannot get it:"
                f" {answer}; if the repository has lost it, clear the run to run it on the latest version"
            )
        time.sleep(pause)
        pause = min(pause * 2, 2.0)


def _ask(sidecar: str, page: str, timeout: float) -> tuple[int, str]:
    """The status and first words of the answer; status 0 when there is none."""
    # Never through a proxy, which is what urllib would do with the environment of many clusters.
    connection = http.client.HTTPConnection(urlsplit(sidecar).netloc, timeout=timeout)
    try:
        connection.request("GET", page)
        response = connection.getresponse()
        return response.status, response.read(300).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return 0, f"no answer ({error})"
    finally:
        connection.close()
