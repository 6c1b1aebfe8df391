"""Runs other programs and turns their failure into one clear error."""

from __future__ import annotations

import os
import subprocess

from hack.node.errors import NodeError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where Debian keeps what the node uses; a user's PATH often lacks the sbin folders."""


def plain_environment(**more: str) -> dict[str, str]:
    """Without proxies, Go or kubectl settings of the caller."""
    return {"PATH": PATH, "HOME": os.environ.get("HOME", "/root"), "LANG": "C.UTF-8", **more}


def run(*command: str, text: str | None = None, limit: float = 60.0) -> str:
    """Run to the end and return its output, or raise with what it said."""
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=limit, check=False, env=plain_environment()
        )
    except subprocess.TimeoutExpired as error:
        raise NodeError(f"`{' '.join(command)}` did not end within {limit:.0f} s") from error
    except FileNotFoundError as error:
        raise NodeError(f"{command[0]} is missing; `python3 -m hack.node up` installs it") from error
    if done.returncode != 0:
        raise NodeError(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def succeeds(*command: str, limit: float = 60.0) -> bool:
    try:
        run(*command, limit=limit)
    except NodeError:
        return False
    return True
