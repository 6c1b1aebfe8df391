"""The member: keeps one pod's trees as the controller directs, and answers Airflow beside it.

Small on purpose: the standard library, Git as a program, one token; no Git or database credentials.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from gitsync.member.controller import Controller
from gitsync.member.follower import Follower
from gitsync.member.pod import PodServer
from gitsync.member.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def main(url: str, roots: Mapping[str, Path], token_file: Path, *, port: int, newest: int) -> None:
    """Keep each source's trees below its root until SIGTERM; the kubelet sends it after Airflow has ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as stack:
        followers = {source: _follower(url, source, root, token_file, newest) for source, root in roots.items()}
        for follower in followers.values():
            stack.enter_context(follower.replica.owned())
            follower.replica.prepare()
        threading.Thread(target=PodServer(followers, port).serve_forever, name="http", daemon=True).start()
        _run_together(followers)


def _follower(url: str, source: str, root: Path, token_file: Path, newest: int) -> Follower:
    controller = Controller(url.rstrip("/"), source, os.environ["POD_NAME"], token_file)
    replica = Replica(root, controller.remote, controller.touched, controller.recall, newest=newest)
    return Follower(replica, controller, os.environ["POD_UID"])


def _run_together(followers: Mapping[str, Follower]) -> None:
    """One thread for each; a defect in one ends the process, so that Kubernetes starts it again and it is seen."""
    ended = threading.Event()

    def run(follower: Follower) -> None:
        try:
            follower.run()
        finally:
            ended.set()

    for source, follower in followers.items():
        threading.Thread(target=run, args=(follower,), name=source, daemon=True).start()
    ended.wait()
    sys.exit(1)
