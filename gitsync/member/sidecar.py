"""The sidecar's main program: follows the controller for each source, and serves the pod.

It is small, because every pod that reads DAGs has one: it uses the standard library and the program Git. Its only
secret is the members' token.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from gitsync.member.client import ControllerClient
from gitsync.member.follower import Follower
from gitsync.member.pod import PodServer
from gitsync.member.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def main(url: str, roots: Mapping[str, Path], token_file: Path, *, port: int, newest: int, limit: int | None) -> None:
    """Keep the trees of each source below its root until SIGTERM. The kubelet sends it after Airflow has ended.

    ``roots`` has the volume of each source, ``newest`` the number of trees to keep that no run needs, ``limit`` the
    bytes that everything on a volume may take.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as stack:
        followers = {source: _follower(url, source, root, token_file, newest) for source, root in roots.items()}
        for follower in followers.values():
            follower.replica.store.limit = limit
            stack.enter_context(follower.replica.owned())
            follower.replica.prepare()
        PodServer(followers, port).start()
        _run_together(followers)


def _follower(url: str, source: str, root: Path, token_file: Path, newest: int) -> Follower:
    controller = ControllerClient(url.rstrip("/"), source, os.environ["POD_NAME"], token_file)
    replica = Replica(root, controller.remote, controller.touched, controller.recall, newest=newest)
    return Follower(replica, controller, os.environ["POD_UID"])


def _run_together(followers: Mapping[str, Follower]) -> None:
    """Run a thread for each follower. If one ends by a defect, the process ends, so that Kubernetes restarts it."""
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
