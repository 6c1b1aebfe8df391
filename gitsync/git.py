"""Git, as a program: every command in a process group of its own, with a time limit and a clear error."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError, RemoteError, StoreError
from gitsync.log import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REVISION = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")

# Nothing of the machine's or the repository's own configuration may change what we run.
SAFE_CONFIG: Mapping[str, str] = {
    "core.hooksPath": "/dev/null",
    "credential.helper": "",
    "gc.autoDetach": "false",  # a detached gc outlives our time limit
    "maintenance.autoDetach": "false",
    "protocol.allow": "never",
    **{f"protocol.{name}.allow": "always" for name in ("file", "git", "http", "https", "ssh")},
    "safe.directory": "*",  # a volume's owner is not always our user
    "uploadpack.allowAnySHA1InWant": "true",
}

_FAILURES: tuple[tuple[str, str, str], ...] = (
    ("couldn't find remote ref", "RefNotFound", "ref {ref!r} does not exist in {url}; push it or correct `ref`"),
    ("not our ref", "RefNotFound", "revision {ref!r} does not exist in {url}; push it or correct `ref`"),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "HostKeyChanged", "{url} shows another host key than known_hosts has"),
    ("Host key verification failed", "HostKeyUnknown", "the host key of {url} is not in the known_hosts file; add it"),
    ("Permission denied (", "AuthenticationFailed", "{url} refused the SSH key; register its public half at the host"),
    ("Authentication failed", "AuthenticationFailed", "{url} refused the user name or password; renew them"),
    ("could not read Username", "AuthenticationFailed", "{url} wants a user name and password; configure credentials"),
    ("returned error: 403", "AuthenticationFailed", "{url} forbids access with these credentials; grant read access"),
    ("returned error: 404", "RepositoryNotFound", "no repository at {url}; correct `repo` or grant access to it"),
    ("not found", "RepositoryNotFound", "no repository at {url}; correct `repo` or grant access to it"),
    ("does not appear to be a git repository", "RepositoryNotFound", "no repository at {url}; correct `repo`"),
    ("does not exist", "RepositoryNotFound", "no repository at {url}; correct `repo`"),
    ("Could not resolve host", "HostUnreachable", "the host of {url} has no address; correct `repo` or the DNS"),
    ("unable to access", "HostUnreachable", "{url} cannot be reached: {detail}"),
    ("unable to connect", "HostUnreachable", "{url} cannot be reached: {detail}"),
    ("Connection ", "HostUnreachable", "{url} cannot be reached: {detail}"),
    ("transport ", "ProtocolRefused", "the protocol of {url} is not allowed; use https, ssh, http, git or a path"),
)  # fmt: skip


class CommandFailed(GitSyncError):
    """A git command ended with an error; ``stderr`` is what it said, credentials included."""

    def __init__(self, command: str, stderr: str) -> None:
        super().__init__(f"git {command} failed: {_last_line(stderr)}")
        self.stderr = stderr


class CommandTimedOut(GitSyncError):
    """A git command, and all it had started, was killed at its time limit."""


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def environment(extra: Mapping[str, str], config: Mapping[str, str]) -> dict[str, str]:
    """The environment of one command: the process's own without Git's variables, ours, and ``config``."""
    # GIT_SSL_CAINFO says which authorities the machine trusts; every other GIT_ variable redirects Git.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k == "GIT_SSL_CAINFO"}
    settings = {**SAFE_CONFIG, **config}
    numbered = {f"GIT_CONFIG_KEY_{n}": key for n, key in enumerate(settings)}
    numbered |= {f"GIT_CONFIG_VALUE_{n}": value for n, value in enumerate(settings.values())}
    return {
        **kept,
        "LC_ALL": "C",  # errors are recognised by their English words
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(settings)),
        **numbered,
        **extra,
    }


def run(*args: str, env: Mapping[str, str], timeout: float) -> str:
    """Run one command and return what it printed.

    On ``timeout`` (seconds) the whole process group is killed: ssh, remote helpers and credential helpers too.
    Raises CommandTimedOut or CommandFailed.
    """
    with subprocess.Popen(
        ["git", *args],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CommandTimedOut(f"git {_subcommand(args)} took longer than {timeout:.0f} s") from None
            raise
    if process.returncode:
        raise CommandFailed(_subcommand(args), stderr)
    return stdout


def _subcommand(args: tuple[str, ...]) -> str:
    return next((arg for arg in args if not arg.startswith("-")), "")


@dataclass(frozen=True)
class Remote:
    """Where to fetch from: an address, and what Git needs to be let in."""

    url: str
    env: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)


class Mirror:
    """A bare repository on disk that holds every revision we have seen."""

    def __init__(self, directory: Path, *, timeout: float = 120.0) -> None:
        self.directory = directory
        self.timeout = timeout

    def _git(self, *args: str, env: Mapping[str, str] | None = None, config: Mapping[str, str] | None = None) -> str:
        arguments = (f"--git-dir={self.directory}", *args)
        return run(*arguments, env=environment(env or {}, config or {}), timeout=self.timeout)

    def prepare(self) -> None:
        """Make the repository; one that Git no longer recognises is made anew beside the trees it filled."""
        if self._usable():
            self._remove_stale_locks()
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            run("init", "--quiet", "--bare", str(self.directory), env=environment({}, {}), timeout=self.timeout)
        except (OSError, CommandFailed) as error:
            message = f"cannot make a repository in {self.directory}: {error}; check the volume's space and owner"
            raise StoreError(message) from error

    def _usable(self) -> bool:
        try:
            return self._git("rev-parse", "--is-bare-repository").strip() == "true"
        except CommandFailed:
            return False

    def _remove_stale_locks(self) -> None:
        # Only one process ever writes here, so a lock file that is there at start was left by a dead one.
        for lock in self.directory.rglob("*.lock"):
            lock.unlink(missing_ok=True)

    def fetch(self, remote: Remote, ref: str, *, depth: int | None = None) -> str:
        """Fetch branch, tag or full revision ``ref`` and return the commit it stands for. Raises RemoteError."""
        options = [f"--depth={depth}"] if depth else []
        try:
            self._git(
                "fetch", "--quiet", "--force", "--no-tags", *options, "--", remote.url, ref,
                env=remote.env, config=remote.config,
            )  # fmt: skip
            return self._git("rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}").strip()
        except CommandTimedOut:
            message = f"{redacted(remote.url)} did not answer within {self.timeout:.0f} s"
            raise RemoteError("TimedOut", message) from None
        except CommandFailed as failure:
            raise explained(failure, remote.url, ref) from None

    def has(self, revision: str) -> bool:
        """Whether commit ``revision`` is here; in a shallow clone too."""
        try:
            self._git("cat-file", "-e", f"{revision}^{{commit}}")
        except CommandFailed:
            return False
        return True

    def require_directory(self, revision: str, path: str) -> None:
        """Refuse a revision without the directory ``path``, which may be empty for the whole tree."""
        try:
            kind = self._git("cat-file", "-t", f"{revision}:{path.strip('/')}").strip()
        except CommandFailed:
            kind = "nothing"
        if kind != "tree":
            message = f"revision {revision[:12]} has no directory {path!r}; correct `subdirectory` or push one"
            raise RemoteError("SubdirectoryMissing", message)

    def keep(self, revision: str) -> None:
        """Protect ``revision`` from Git's garbage collection, also after a force-push."""
        self._git("update-ref", f"refs/revisions/{revision}", revision)

    def write_tree(self, revision: str, directory: Path) -> None:
        """Write all files of ``revision`` into the empty ``directory``. Raises StoreError."""
        # A private index: the tree is written whole each time, and no state of an earlier one matters.
        index = directory.with_name(f"{directory.name}.index")
        env = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(directory)}
        try:
            self._git("read-tree", revision, env=env)
            self._git("checkout-index", "--all", "--force", "--quiet", env=env)
        except (CommandFailed, CommandTimedOut) as error:
            message = f"cannot write the tree of {revision}: {error}; check the volume's free space"
            raise StoreError(message) from error
        finally:
            index.unlink(missing_ok=True)


def explained(failure: CommandFailed, url: str, ref: str) -> GitSyncError:
    """Git's words as an error that names the thing and the cure."""
    if "No space left on device" in failure.stderr:
        return StoreError("the volume is full; make it larger")
    for words, reason, message in _FAILURES:
        if line := next((line for line in failure.stderr.splitlines() if words in line), None):
            detail = _without_secret(line, url)
            return RemoteError(reason, message.format(url=redacted(url), ref=ref, detail=detail))
    detail = _without_secret(_last_line(failure.stderr), url)
    return RemoteError("FetchFailed", f"cannot fetch {ref!r} from {redacted(url)}: {detail}")


def _without_secret(text: str, url: str) -> str:
    return text.strip().replace(url, redacted(url))
