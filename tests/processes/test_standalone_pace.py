"""The intervals of stand-alone mode, its time limits, and its end after failures."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gitsync.errors import Refused, RemoteError
from gitsync.standalone.loop import pause
from gitsync.standalone.options import Options
from gitsync.standalone.state import State
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.processes.standalone import Standalone
    from tests.unit.conftest import Upstream

THROUGH = 'exec git "$@"'
"""The last line of a script in Git's place: go on with the real one."""


def test_a_slow_git_is_killed_with_all_it_started(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    started = gitsync.directory / "started"
    git = gitsync.script("slow-git", f"case $* in *fetch*) sleep 3600 & echo $! > {started}; wait;; esac", THROUGH)
    result = gitsync.once("--sync-timeout=2s", f"--git={git}")
    assert result.returncode == 1
    assert "did not answer within" in result.stderr
    assert not gitsync.link.is_symlink()
    stat = f"/proc/{started.read_text().strip()}/stat"
    eventually(lambda: _is_gone(stat), "the helper of the slow git is killed too")


def _is_gone(stat: str) -> bool:
    try:
        with open(stat) as file:  # noqa: PTH123 - a process may end between a look and the next
            return file.read().split()[2] == "Z"
    except OSError:
        return True


def test_many_slow_commands_are_one_slow_sync(gitsync: Standalone, upstream: Upstream) -> None:
    """Each of them is in time, all together are not."""
    upstream.commit(dag="one")
    git = gitsync.script("slow-git", "sleep 0.9", THROUGH)
    assert gitsync.once("--sync-timeout=2s", f"--git={git}").returncode == 1
    assert not gitsync.link.is_symlink()


def test_a_slow_git_in_time(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    git = gitsync.script("slow-git", "case $* in *fetch*) sleep 0.3;; esac", THROUGH)
    gitsync.start("--sync-timeout=60s", f"--git={git}")
    gitsync.shows("one")
    upstream.commit(dag="two")
    gitsync.shows("two")


@pytest.mark.parametrize("option", ["--sync-on-signal=SIGHUP", "--sync-on-signal=HUP", "--sync-on-signal=1", ""])
def test_a_signal_ends_the_wait(gitsync: Standalone, upstream: Upstream, option: str) -> None:
    """Without the flag too: SIGHUP would else end the process."""
    upstream.commit(dag="one")
    process = gitsync.start("--period=1h", *filter(None, [option]))
    gitsync.shows("one")
    upstream.commit(dag="two")
    process.send_signal(signal.SIGHUP)
    gitsync.shows("two")


def test_another_signal(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    process = gitsync.start("--period=1h", "--sync-on-signal=USR1")
    gitsync.shows("one")
    upstream.commit(dag="two")
    process.send_signal(signal.SIGUSR1)
    gitsync.shows("two")


def test_a_signal_during_a_sync_is_kept(gitsync: Standalone, upstream: Upstream) -> None:
    """1. The first sync hangs in its hook. 2. A commit and a signal. 3. The hook ends: the commit is looked for."""
    upstream.commit(dag="one")
    entered, leave = gitsync.directory / "entered", gitsync.directory / "leave"
    hook = gitsync.script("hook", f"touch {entered}", f"until test -e {leave}; do sleep 0.05; done")
    process = gitsync.start("--period=1h", f"--pre-publish-exechook-command={hook}")
    eventually(entered.exists, "the hook runs")
    upstream.commit(dag="two")
    process.send_signal(signal.SIGHUP)
    leave.touch()
    gitsync.shows("two")


def test_nobody_waits_for_garbage_collection(gitsync: Standalone, upstream: Upstream) -> None:
    """While Git collects garbage, which takes minutes in a large repository: 1. The touch file is there. 2. A hook has
    run. 3. An old tree is gone, because it goes first. Afterwards the next commit is published."""
    first = upstream.commit(dag="one")
    assert gitsync.once().returncode == 0
    second = upstream.commit(dag="two")
    leave, touched, told = (gitsync.directory / name for name in ("leave", "touched", "told"))
    git = gitsync.script("slow-git", f"case $* in *gc*) until test -e {leave}; do sleep 0.05; done;; esac", THROUGH)
    hook = gitsync.script("hook", f"echo $GITSYNC_HASH >> {told}")
    gitsync.start(f"--git={git}", f"--touch-file={touched}", f"--exechook-command={hook}")
    gitsync.shows("two")
    eventually(touched.exists, "the file is touched")
    eventually(lambda: told.exists() and told.read_text() == f"{second}\n", "the hook runs")
    eventually(lambda: not (gitsync.root / "revisions" / first).exists(), "the old tree is gone")
    upstream.commit(dag="three")
    leave.touch()
    gitsync.shows("three")


@pytest.mark.parametrize("where", ["resting", "in-git", "settled"])
def test_sigterm_ends_it_at_once(gitsync: Standalone, upstream: Upstream, where: str) -> None:
    revision = upstream.commit(dag="one")
    entered = gitsync.directory / "entered"
    hang = f"case $* in *fetch*) test -e {entered} || {{ touch {entered}; sleep 3600; }};; esac"
    git = gitsync.script("slow-git", hang if where == "in-git" else f"touch {entered}", THROUGH)
    ref = revision if where == "settled" else "HEAD"
    process = gitsync.start("--period=1h", f"--ref={ref}", f"--git={git}")
    if where == "in-git":
        eventually(entered.exists, "git runs")
    else:
        gitsync.shows("one")
    process.terminate()
    assert gitsync.ends() == 0


def test_the_first_sync_has_a_period_of_its_own(gitsync: Standalone, upstream: Upstream) -> None:
    """1. The repository comes late: found at --init-period. 2. From then on --period counts."""
    away = upstream.path.with_name("away")
    upstream.commit(dag="one")
    upstream.path.rename(away)
    gitsync.start("--period=1h", "--init-period=50ms", "--max-failures=-1")
    gitsync.logs("sync.failed")
    away.rename(upstream.path)
    gitsync.shows("one")
    upstream.commit(dag="two")
    looked = time.monotonic()
    eventually(lambda: time.monotonic() > looked + 0.5, "ten init periods have passed")
    assert gitsync.read() == "one"


@pytest.mark.parametrize(
    ("options", "attempts"),
    [
        pytest.param(["--max-failures=0"], 1, id="first-failure"),
        pytest.param(["--max-failures=3"], 3, id="third-failure"),
        pytest.param(["--init-max-failures=2", "--max-failures=-1"], 2, id="until-the-first-success"),
        pytest.param([], 1, id="upstream's-default"),
    ],
)
def test_it_gives_up(gitsync: Standalone, options: list[str], attempts: int) -> None:
    gitsync.repo = gitsync.directory / "does-not-exist"
    gitsync.start(*options)
    assert gitsync.ends() == 1
    log = gitsync.log.read_text()
    assert log.count('"event": "sync.failed"') == attempts
    assert log.splitlines()[-1].startswith("gitsync: no repository at")


REFUSED = {"error": Refused("HookRefused", "no")}
FAILED = {"error": RemoteError("TimedOut", "no answer")}


@pytest.mark.parametrize(
    ("options", "state", "seconds"),
    [
        pytest.param({}, {"revision": "a"}, 10, id="nothing-wrong"),
        pytest.param({}, {"revision": "a", "failures": 1, **FAILED}, 10, id="one-failure"),
        pytest.param({}, {"revision": "a", "failures": 3, **FAILED}, 40, id="it-doubles"),
        pytest.param({}, {"revision": "a", "failures": 9999, **FAILED}, 60, id="up-to-the-longest"),
        pytest.param({"period": 300.0}, {"failures": 9, **FAILED}, 300, id="never-shorter-than-the-period"),
        pytest.param({"init_period": 0.5}, {"failures": 9, **FAILED}, 0.5, id="at-first-as-told"),
        pytest.param({"init_period": 0.5}, {"revision": "a"}, 10, id="then-at-the-period"),
        pytest.param({"period": 1.0}, {"revision": "a", **REFUSED}, 3, id="a-refusal-has-its-own"),
        pytest.param({}, {"revision": "a", **REFUSED}, 10, id="but-not-below-the-period"),
    ],
)
def test_how_long_it_waits(options: dict[str, Any], state: dict[str, Any], seconds: float) -> None:
    assert pause(Options(repo="r", root=Path("/srv"), **options), State(**state)) == seconds


def test_a_refusal_is_no_failure() -> None:
    state = State()
    for error, failures in ((RemoteError("TimedOut", "no"), 1), (Refused("HookRefused", "no"), 1)):
        state.failed(error, 0)
        assert state.failures == failures


def test_failures_are_counted_anew_after_a_success(gitsync: Standalone, upstream: Upstream) -> None:
    """1. Sync, so that --init-max-failures no longer counts. 2. The host is away and comes back, twice."""
    upstream.commit(dag="one")
    gitsync.start("--init-max-failures=0", "--max-failures=-1")
    gitsync.shows("one")
    away = upstream.path.with_name("away")
    for content in ("two", "three"):
        upstream.path.rename(away)
        gitsync.log.write_text("")
        gitsync.logs("sync.failed")
        away.rename(upstream.path)
        upstream.commit(dag=content)
        gitsync.shows(content)
