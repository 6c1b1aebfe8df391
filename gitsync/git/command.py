"""Git, as a program: every command in a process group of its own, with a time limit and a clear error."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class CommandFailed(GitSyncError):
    """A git command ended with an error; ``stderr`` is what it said, credentials included."""

    def __init__(self, command: str, stderr: str) -> None:
        super().__init__(f"git {command} failed: {last_line(stderr)}")
        self.stderr = stderr


class CommandTimedOut(GitSyncError):
    """A git command, and all it had started, was killed at its time limit."""


def last_line(text: str) -> str:
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
