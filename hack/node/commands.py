"""Runs other programs and turns their failure into one clear error."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import PurePath
from typing import TYPE_CHECKING

from hack.node.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import Callable

POLL = 0.2

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where Debian keeps what the node uses; a user's PATH often lacks the sbin folders."""


def plain_environment(**more: str) -> dict[str, str]:
    """Without proxies, Go or kubectl settings of the caller."""
    return {"PATH": PATH, "HOME": os.environ.get("HOME", "/root"), "LANG": "C.UTF-8", **more}


def run(
    *command: str,
    text: str | None = None,
    limit: float = 60.0,
    environment: dict[str, str] | None = None,
    waiting: Callable[[], None] | None = None,
) -> str:
    """Run to the end and return its output, or raise with what it said; ``waiting`` is called while it runs."""
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=plain_environment() if environment is None else environment,
        )
    except FileNotFoundError as error:
        raise NodeError(f"{command[0]} is missing; `python3 -m hack.node up` makes or installs it") from error
    output, errors = _communicate(child, command, text, limit, waiting)
    if child.returncode != 0:
        raise NodeError(f"`{shown(command)}` failed: {(errors or output).strip()[-3000:]}")
    return output


def _communicate(
    child: subprocess.Popen[str],
    command: tuple[str, ...],
    text: str | None,
    limit: float,
    waiting: Callable[[], None] | None,
) -> tuple[str, str]:
    deadline = time.monotonic() + limit
    while True:
        try:
            return child.communicate(input=text, timeout=POLL)
        except subprocess.TimeoutExpired:
            text = None  # it is taken once; the next round only goes on
            if time.monotonic() > deadline:
                child.kill()
                child.communicate()
                raise NodeError(f"`{shown(command)}` did not end within {limit:.0f} s") from None
            if waiting:
                waiting()


def shown(command: tuple[str, ...]) -> str:
    """Without the folder of the program, which is long and the same for all."""
    return " ".join([PurePath(command[0]).name, *command[1:]])


def succeeds(*command: str, limit: float = 60.0) -> bool:
    try:
        run(*command, limit=limit)
    except NodeError:
        return False
    return True
