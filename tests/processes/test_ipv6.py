"""A pod may have no IPv4 address at all, and another no IPv6."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.unit.conftest import Upstream

ROOT = Path(__file__).parents[2]
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
"""As the kubelet writes it."""
SCRIPT = """
set -e
ip link set lo up
ip address delete 127.0.0.1/8 dev lo
mount --bind "$1/hosts" /etc/hosts
exec "$2" -m tests.processes.ipv6_only "$1" "$3" "$4"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_every_server_of_gitsync_works_without_ipv4(tmp_path: Path, upstream: Upstream) -> None:
    old = upstream.commit(dag="one")
    upstream.commit(dag="two")
    (tmp_path / "hosts").write_text(HOSTS)
    command = [
        "unshare",
        "--net",
        "--mount",
        "sh",
        "-c",
        SCRIPT,
        "sh",
        *map(str, (tmp_path, sys.executable, upstream.path, old)),
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=5 * PATIENCE)
    assert ended.returncode == 0, ended.stderr[-3000:]
