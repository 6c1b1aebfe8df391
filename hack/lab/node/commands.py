"""Runs other programs, and turns a failure into NodeError."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import PurePath
from typing import TYPE_CHECKING

from hack.lab.node.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import Callable

POLL = 0.2

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The search path for programs. A user's PATH often lacks the sbin folders."""


def plain_environment(**more: str) -> dict[str, str]:
    """An environment without the caller's settings for proxies, Go or kubectl."""
    return {"PATH": PATH, "HOME": os.environ.get("HOME", "/root"), "LANG": "C.UTF-8", **more}


def run(
    *command: str,
    text: str | None = None,
    limit: float = 60.0,
    environment: dict[str, str] | None = None,
    waiting: Callable[[], None] | None = None,
) -> str:
    """Run a program, and return its output. ``waiting`` is called while it runs. Raises NodeError with its output."""
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
        raise NodeError(f"{command[0]} is missing; `python3 -m hack.lab.node up` makes or installs it") from error
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
            text = None  # communicate() takes the input only in the first call
            if time.monotonic() > deadline:
                child.kill()
                child.communicate()
                raise NodeError(f"`{shown(command)}` did not end within {limit:.0f} s") from None
            if waiting:
                waiting()


def shown(command: tuple[str, ...]) -> str:
    """The command for a message, without the program's folder."""
    return " ".join([PurePath(command[0]).name, *command[1:]])


def succeeds(*command: str, limit: float = 60.0) -> bool:
    try:
        run(*command, limit=limit)
    except NodeError:
        return False
    return True
