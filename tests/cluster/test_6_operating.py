"""hack/kube-airflow as an operator runs it, from a shell whose kubectl talks to the node."""

from __future__ import annotations

import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import requests

from hack.operate.overlay import CHECKOUT
from tests.cluster.overlays import dev_overlay, none_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.instances import UnderTest

PROGRAM = str(CHECKOUT / "hack/kube-airflow")
DEV = ("--overlay", "dev")


def operate(dev: UnderTest, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words], env=dev.instance.cluster.environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def said(dev: UnderTest, *words: str) -> str:
    """What a verb prints; it succeeds."""
    done = operate(dev, *words)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_status_by_the_overlay_and_by_names(dev: UnderTest) -> None:
    for instance in (DEV, ("--namespace", "airflow", "--prefix", "dev-")):
        printed = said(dev, "status", *instance)
        assert str(dev.published())[:12] in printed
        assert "dev-api-server-" in printed


def test_apply_shows_asks_and_changes(dev: UnderTest, tmp_path: Path) -> None:
    """1. without somebody to ask nothing changes; 2. --yes applies; 3. then there is nothing to change; 4. and back."""
    changed = str(dev_overlay(tmp_path, replicas=none_of("flower")))
    refused = operate(dev, "apply", "--overlay", changed)
    assert refused.returncode == 1
    assert "=== Deployment dev-flower\n" in refused.stdout
    assert "Change 1 object in airflow? There is no terminal" in refused.stderr
    assert flowers(dev) == 1
    try:
        assert "+  replicas: 0\n" in said(dev, "apply", "--overlay", changed, "--yes")
        assert flowers(dev) == 0
        assert said(dev, "apply", "--overlay", changed) == f"{changed}: nothing to change\n"
    finally:
        said(dev, "apply", *DEV, "--yes")
    assert flowers(dev) == 1


def flowers(dev: UnderTest) -> int:
    return int(dev.instance.get("deployment", "dev-flower")["spec"]["replicas"])


def test_what_is_made_already_is_not_made_again(dev: UnderTest) -> None:
    assert said(dev, "secrets", *DEV) == ""
    assert said(dev, "secrets", *DEV, "--print-admin") == f"{dev.instance.secret('airflow', 'admin-password')}\n"


def test_a_backup_is_whole_and_private(dev: UnderTest, tmp_path: Path) -> None:
    dump = tmp_path / "airflow.dump"
    assert said(dev, "backup", *DEV, str(dump)) == f"wrote {dump}, {dump.stat().st_size} bytes\n"
    assert dump.read_bytes().startswith(b"PGDMP")
    assert dump.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [dump]


def test_a_page_is_open_until_it_is_interrupted(dev: UnderTest) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [PROGRAM, "browse", *DEV, "web", "--port", str(port)]
    with subprocess.Popen(command, env=dev.instance.cluster.environment, stdout=subprocess.PIPE, text=True) as browse:
        try:
            assert browse.stdout
            address = browse.stdout.readline().split()[0]
            assert address == f"http://127.0.0.1:{port}"
            assert requests.get(f"{address}/api/v2/version", timeout=60).status_code == 200
            browse.send_signal(signal.SIGINT)
            assert browse.wait(60) == 130
        finally:
            browse.kill()
