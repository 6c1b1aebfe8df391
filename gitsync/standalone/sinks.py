"""The hooks: a command in the tree, a call to a URL. Both raise GitSyncError when they did not succeed."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING

from gitsync.errors import GitSyncError

if TYPE_CHECKING:
    from pathlib import Path


def execute(command: str, revision: str, tree: Path, timeout: float) -> None:
    """Run ``command`` in ``tree``; after ``timeout`` seconds it is killed with all it has started."""
    environment = {**os.environ, "GITSYNC_HASH": revision}
    try:
        process = subprocess.Popen(
            [command], cwd=tree, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise GitSyncError(f"cannot run {command} for {revision[:12]}: {error.strerror}") from error
    try:
        status = process.wait(timeout)
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise GitSyncError(f"{command} took longer than {timeout:g} s for {revision[:12]}") from None
        raise
    if status:
        raise GitSyncError(f"{command} failed for {revision[:12]} with status {status}")


def call(url: str, method: str, success: int, timeout: float, revision: str) -> None:
    """Send ``revision`` in a header; ``success`` 0 takes any answer for one."""
    request = urllib.request.Request(url, method=method, headers={"Gitsync-Hash": revision})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        raise GitSyncError(f"the webhook cannot be called: {error}") from error
    if success and status != success:
        raise GitSyncError(f"the webhook answered {status}, not {success}")
