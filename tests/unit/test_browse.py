"""`browse` and `status` around kubectl: a page's address once it can be opened, and the end of the way to it."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

import pytest

from tests.unit.kubectls import install, start
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

KUBECTL = """#!/bin/sh
# What a cluster answers that has every object that is asked for, but those in the file `absent`.
case "$*" in
  *port-forward*)
    test ! -e taken || { echo "error: unable to listen on port 8080" >&2; exit 1; }
    echo $$ > forwarding
    while test -e waiting; do sleep 0.05; done
    echo "Forwarding from 127.0.0.1:8080"
    exec sleep 600 ;;
  *" get pods "*) echo "dev-api-server-0 Running" ;;
  *" get "*)
    if test -e absent && grep -q -- "$5" absent; then exit; fi
    echo '{"metadata": {"labels": {"kube-airflow/instance": "dev"}}}' ;;
  *" exec "*) echo "dev-gitsync-0 leads" ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with a kubectl."""
    return install(tmp_path, KUBECTL)


def forwards(machine: Path) -> bool:
    """Whether kubectl's process is still there."""
    found = machine / "forwarding"
    return found.exists() and os.path.exists(f"/proc/{found.read_text().strip()}")  # noqa: PTH110 - no file of ours


def test_the_address_comes_when_the_page_can_be_opened_and_ctrl_c_ends_it(machine: Path) -> None:
    (machine / "waiting").touch()
    browse = start(machine, "browse", "web")
    try:
        assert browse.stdout
        eventually(lambda: forwards(machine), "kubectl was started")
        assert not select.select([browse.stdout], [], [], 0)[0]
        (machine / "waiting").unlink()
        assert browse.stdout.readline() == "http://127.0.0.1:8080  (Ctrl-C ends it)\n"
        browse.send_signal(signal.SIGINT)
        assert browse.wait(60) == 130
    finally:
        (machine / "waiting").unlink(missing_ok=True)
        browse.kill()
        browse.communicate()
    eventually(lambda: not forwards(machine), "kubectl has ended")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        pytest.param("taken", "", "cannot reach service/dev-api-server: error: unable to listen on port", id="taken"),
        pytest.param("absent", "dev-api-server", "there is no service/dev-api-server in airflow", id="absent"),
    ],
)
def test_a_page_that_cannot_be_opened_is_one_line(machine: Path, file: str, content: str, said: str) -> None:
    (machine / file).write_text(content)
    output, error = start(machine, "browse", "web").communicate(timeout=60)
    assert output == ""
    (line,) = error.splitlines()
    assert line.startswith(f"hack/kube-airflow browse: {said}")


def test_status_shows_pods_and_what_gitsync_says(machine: Path) -> None:
    output, _error = start(machine, "status").communicate(timeout=60)
    assert output == "dev-api-server-0 Running\n\ndev-gitsync-0 leads\n"


def test_an_instance_without_gitsync_has_a_status(machine: Path) -> None:
    (machine / "absent").write_text("dev-gitsync")
    status = start(machine, "status")
    output, _error = status.communicate(timeout=60)
    assert status.returncode == 0
    assert output == "dev-api-server-0 Running\n\nthis instance has no gitsync, so its DAGs come another way\n"
