"""The DAG bundle: shows Airflow the trees that gitsync keeps on the pod's volume.

Each run stays on its commit, and a task never sees a flip. Airflow imports this module in all of its components, so
it needs only Airflow and the standard library. docs/airflow.md lists the facts about Airflow that it relies on.
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
"""Longest wait for a revision that is not on the volume."""

SETTLE_SECONDS = 300.0
"""Longest wait of a task for the end of a publication. A new controller may need as long to finish one."""

MARGIN = timedelta(seconds=0.5)
"""Longest time from the end of a parse to the time that Airflow records for it: a few database statements."""

_REVISION = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class RevisionUnavailable(RuntimeError):
    """The tree of a revision is not on the volume, and the sidecar cannot fetch it. The task fails with the reason."""


class GitSyncBundle(BaseDagBundle):
    """Shows the tree of one revision. In the DAG processor it follows the published revision."""

    def __init__(
        self,
        *,
        root: str,
        subdirectory: str = "",
        versioned: bool = True,
        sidecar: str = "http://localhost:8099",
        source: str | None = None,
        **kwargs: object,
    ) -> None:
        """Take the ``kwargs`` of ``dag_bundle_config_list``. Raises ValueError for a path that leaves the repository.

        ``root`` is the mount point of gitsync's volume, ``subdirectory`` the DAG folder in the repository.
        ``versioned`` makes Airflow record a commit on each run. ``sidecar`` is the base URL of the pod's sidecar.
        ``source`` is the source's name in gitsync's configuration; by default it is the bundle's name.
        """
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
        """The DAG folder. The first use chooses the tree: Airflow also asks bundles that it has not initialized."""
        return (self._head or self._chosen()) / self._subdirectory

    def initialize(self) -> None:
        """Choose the tree. Only `refresh` changes it afterwards."""
        self._chosen()
        super().initialize()

    def get_current_version(self) -> BundleVersion | None:
        """The full commit id."""
        return BundleVersion(self._chosen().name) if self.supports_versioning else None

    def refresh(self) -> None:
        """Follow the published revision; only the DAG processor's main loop calls this.

        Airflow queues a file for parsing with its path of that moment, and records the result under the bundle's
        version of the moment when it collects the result. So the path must stay the same for ever: it leads through a
        link, and this moves the link.
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
        """The published tree. A bundle without versions waits until the publication is settled."""
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
            # Airflow would list no file, and mark every DAG of the bundle stale.
            raise RevisionUnavailable(f"bundle {self.name}: no directory {tree / self._subdirectory}")
        return tree

    def _parse_soon(self, before: Path, after: Path) -> None:
        """Ask Airflow to parse changed files now, not in its next round. A failure only makes them later."""
        try:
            files = self._changed(before, after) if before != after else self._mixed_up()
            if files:
                self._ask_for_parsing(files)
                log.info("bundle %s: asked for parsing of %s", self.name, ", ".join(sorted(files)[:10]))
        except Exception:
            log.exception("bundle %s: Airflow parses changed files later, in its next round", self.name)

    def _changed(self, before: Path, after: Path) -> set[str]:
        """The DAG files to parse: gitsync has given each touched DAG file a new inode."""
        from airflow.utils.file import list_py_file_paths

        home = after / self._subdirectory
        dag_files = {str(Path(path).relative_to(home)) for path in list_py_file_paths(home)}
        return _changed_files(before / self._subdirectory, home, dag_files)

    def _mixed_up(self) -> set[str]:
        """DAG files that Airflow parsed from the old tree and recorded under the new version.

        Their parse began before the link moved, and was recorded after that.
        """
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
    following.unlink(missing_ok=True)  # left by a crashed process with the same id
    following.symlink_to(tree)
    following.replace(link)
    return link


def _changed_files(before: Path, after: Path, dag_files: set[str]) -> set[str]:
    """The members of ``dag_files`` that differ between two trees."""
    old, new = dict(_files(before)), dict(_files(after))
    changed = {path for path, file in new.items() if path not in old or not _same(old[path], file)}
    if len(changed) < len(new):
        return dag_files & changed
    # The trees share no file: neither was made from the other, so only the contents tell.
    _match, different, odd = filecmp.cmpfiles(before, after, new, shallow=False)
    filecmp.clear_cache()
    return dag_files if old.keys() != new.keys() or different or odd else set()


def _same(old: os.stat_result, new: os.stat_result) -> bool:
    """Whether two names lead to one file, or to a copy on a volume without hard links."""
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
    """Ask this pod's sidecar to put ``revision`` of ``source`` on the volume. Raises RevisionUnavailable."""
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
    """The HTTP status and the first 300 bytes of the answer; status 0 without an answer."""
    # urllib would use the proxy that many clusters set in the environment.
    connection = http.client.HTTPConnection(urlsplit(sidecar).netloc, timeout=timeout)
    try:
        connection.request("GET", page)
        response = connection.getresponse()
        return response.status, response.read(300).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return 0, f"no answer ({error})"
    finally:
        connection.close()
