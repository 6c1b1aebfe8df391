"""Hooks that are called after a publication, and the hook that may refuse one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.processes.standalone import Standalone
    from tests.unit.conftest import Upstream


@pytest.fixture
def runs(gitsync: Standalone) -> Path:
    """What hooks of these tests write to: one line for each run."""
    file = gitsync.directory / "runs"
    file.touch()
    return file


def lines(runs: Path) -> list[str]:
    return runs.read_text().splitlines()


@pytest.fixture
def hook(gitsync: Standalone, runs: Path) -> Path:
    return gitsync.script("hook", f'echo "$GITSYNC_HASH $(cat dag) $WORD" >> {runs}')


@pytest.fixture
def failing(gitsync: Standalone, runs: Path) -> Path:
    return gitsync.script("failing", f'echo "$GITSYNC_HASH" >> {runs}', f"test -e {runs}.mended")


def test_an_exec_hook_runs_in_each_published_tree(
    gitsync: Standalone, upstream: Upstream, hook: Path, runs: Path
) -> None:
    first = upstream.commit(dag="one")
    gitsync.start(f"--exechook-command={hook}", env={"WORD": "hello"})
    eventually(lambda: lines(runs) == [f"{first} one hello"], "the hook has run once")
    second = upstream.commit(dag="two")
    eventually(lambda: lines(runs)[1:] == [f"{second} two hello"], "the hook has run again")


def test_an_exec_hook_is_tried_until_it_succeeds(
    gitsync: Standalone, upstream: Upstream, failing: Path, runs: Path
) -> None:
    revision = upstream.commit(dag="one")
    gitsync.start(f"--exechook-command={failing}", "--exechook-backoff=1s")
    eventually(lambda: lines(runs) == [revision] * 2, "the hook has run twice")
    assert gitsync.read() == "one"


def test_once_waits_for_the_exec_hook(gitsync: Standalone, upstream: Upstream, runs: Path) -> None:
    upstream.commit(dag="one")
    slow = gitsync.script("slow", "sleep 0.3", f"cat dag >> {runs}")
    assert gitsync.once(f"--exechook-command={slow}").returncode == 0
    assert lines(runs) == ["one"]


def test_once_fails_with_the_exec_hook_after_publishing(
    gitsync: Standalone, upstream: Upstream, failing: Path, runs: Path
) -> None:
    revision = upstream.commit(dag="one")
    result = gitsync.once(f"--exechook-command={failing}")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == f"gitsync: published {revision}, but the exechook failed"
    assert (gitsync.read(), lines(runs)) == ("one", [revision])


def test_the_exec_hook_runs_after_a_restart_with_nothing_new(
    gitsync: Standalone, upstream: Upstream, hook: Path, runs: Path
) -> None:
    """The process before may have died between publishing and telling."""
    revision = upstream.commit(dag="one")
    gitsync.once()
    assert gitsync.once(f"--exechook-command={hook}").returncode == 0
    assert lines(runs) == [f"{revision} one "]
    gitsync.start(f"--exechook-command={hook}")
    eventually(lambda: lines(runs) == [f"{revision} one "] * 2, "a sidecar tells it, too")


def test_an_exec_hook_that_hangs_is_killed(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    hanging = gitsync.script("hanging", "sleep 3600")
    result = gitsync.once(f"--exechook-command={hanging}", "--exechook-timeout=1s")
    assert result.returncode == 1
    assert "took longer than 1 s" in result.stderr


def test_the_pre_publish_hook_sees_each_tree_before_readers_do(
    gitsync: Standalone, upstream: Upstream, runs: Path
) -> None:
    first = upstream.commit(dag="one")
    hook = gitsync.script("before", f'echo "$GITSYNC_HASH $(cat dag) $(cat {gitsync.link}/dag)" >> {runs}')
    gitsync.start(f"--pre-publish-exechook-command={hook}")
    gitsync.shows("one")
    second = upstream.commit(dag="two")
    gitsync.shows("two")
    assert lines(runs) == [f"{first} one ", f"{second} two one"]


def test_the_pre_publish_hook_refuses_by_failing(
    gitsync: Standalone, upstream: Upstream, failing: Path, runs: Path
) -> None:
    """1. A revision is published. 2. The next is refused, again and again; --max-failures does not count that.
    3. The hook has nothing against it any more."""
    upstream.commit(dag="one")
    gitsync.once()
    second = upstream.commit(dag="two")
    gitsync.start(f"--pre-publish-exechook-command={failing}", "--pre-publish-exechook-backoff=1s")
    eventually(lambda: lines(runs) == [second] * 2, "the hook is asked again")
    assert gitsync.read() == "one"
    runs.with_name("runs.mended").touch()
    gitsync.shows("two")


def test_once_fails_with_the_pre_publish_hook_and_publishes_nothing(
    gitsync: Standalone, upstream: Upstream, failing: Path, runs: Path
) -> None:
    revision = upstream.commit(dag="one")
    result = gitsync.once(f"--pre-publish-exechook-command={failing}")
    assert result.returncode == 1
    assert "failed for" in result.stderr
    assert not gitsync.link.is_symlink()
    assert not (gitsync.root / "current").is_symlink()
    assert lines(runs) == [revision]


def test_once_waits_for_the_pre_publish_hook(gitsync: Standalone, upstream: Upstream, runs: Path) -> None:
    upstream.commit(dag="one")
    slow = gitsync.script("slow", "sleep 0.3", f"cat dag >> {runs}")
    assert gitsync.once(f"--pre-publish-exechook-command={slow}").returncode == 0
    assert (gitsync.read(), lines(runs)) == ("one", ["one"])


def test_the_pre_publish_hook_is_not_asked_about_what_is_published(
    gitsync: Standalone, upstream: Upstream, hook: Path, runs: Path
) -> None:
    upstream.commit(dag="one")
    gitsync.once()
    assert gitsync.once(f"--pre-publish-exechook-command={hook}").returncode == 0
    assert lines(runs) == []


@dataclass
class Receiver:
    """A webhook's other end."""

    url: str = ""
    status: int = 200
    seen: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.seen.append((self.command, self.headers["Gitsync-Hash"]))
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_PUT(self) -> None:
            self.do_POST()

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()


def test_a_webhook_hears_of_each_publication(gitsync: Standalone, upstream: Upstream, receiver: Receiver) -> None:
    first = upstream.commit(dag="one")
    gitsync.start(f"--webhook-url={receiver.url}", "--webhook-method=PUT", "--webhook-timeout=60s")
    eventually(lambda: receiver.seen == [("PUT", first)], "the webhook is called")
    second = upstream.commit(dag="two")
    eventually(lambda: receiver.seen[1:] == [("PUT", second)], "the webhook is called again")


def test_a_webhook_is_called_until_it_succeeds(gitsync: Standalone, upstream: Upstream, receiver: Receiver) -> None:
    revision = upstream.commit(dag="one")
    receiver.status = 500
    gitsync.start(f"--webhook-url={receiver.url}", "--webhook-backoff=1s", "--webhook-timeout=60s")
    eventually(lambda: len(receiver.seen) > 1, "the webhook is called again")
    receiver.status = 200
    told = len(receiver.seen)
    eventually(lambda: len(receiver.seen) > told, "and succeeds")
    second = upstream.commit(dag="two")
    eventually(lambda: receiver.seen[-1][1] == second, "then only the next publication calls it")
    assert [seen for _method, seen in receiver.seen] == [revision] * (len(receiver.seen) - 1) + [second]


@pytest.mark.parametrize(("status", "returncode"), [(200, 0), (500, 1)])
def test_once_calls_the_webhook_once(
    gitsync: Standalone, upstream: Upstream, receiver: Receiver, status: int, returncode: int
) -> None:
    revision = upstream.commit(dag="one")
    receiver.status = status
    assert gitsync.once(f"--webhook-url={receiver.url}", "--webhook-timeout=60s").returncode == returncode
    assert (gitsync.read(), receiver.seen) == ("one", [("POST", revision)])


@pytest.mark.parametrize("any_status", ["0", "-1"])
def test_a_webhook_may_be_fired_and_forgotten(
    gitsync: Standalone, upstream: Upstream, receiver: Receiver, any_status: str
) -> None:
    upstream.commit(dag="one")
    receiver.status = 404
    result = gitsync.once(
        f"--webhook-url={receiver.url}", f"--webhook-success-status={any_status}", "--webhook-timeout=60s"
    )
    assert result.returncode == 0
    assert len(receiver.seen) == 1


@pytest.mark.parametrize("kind", ["exechook", "pre-publish-exechook"])
def test_a_hook_may_write_in_the_tree(gitsync: Standalone, upstream: Upstream, kind: str) -> None:
    """1. A hook adds a file, changes one and replaces one. 2. Readers see that. 3. The next tree is the next commit."""
    upstream.commit(dag="one", other="same", folder__file="old")
    lines = ("cat dag > made", "echo more >> folder/file", "rm other", "echo mine > other")
    hook = gitsync.script("hook", *lines)
    gitsync.start(f"--{kind}-command={hook}")
    gitsync.shows("mine\n", "other")
    assert (gitsync.read("made"), gitsync.read("folder/file")) == ("one", "oldmore\n")
    hook.write_text("#!/bin/sh\n")
    upstream.commit(dag="two")
    gitsync.shows("two")
    assert [gitsync.read(name) for name in ("made", "other", "folder/file")] == [None, "same", "old"]


def test_a_hook_may_write_after_a_restart(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    hook = gitsync.script("hook", "date >> made")
    assert [gitsync.once(f"--exechook-command={hook}").returncode for _start in range(2)] == [0, 0]
    assert len((gitsync.read("made") or "").splitlines()) == 2


def test_a_hook_that_is_new_changes_no_shared_file(gitsync: Standalone, upstream: Upstream) -> None:
    """1. Two trees without a hook share a file. 2. With a hook, the file is still read-only for others than root."""
    first = upstream.commit(dag="one", shared="same")
    gitsync.once("--stale-worktree-timeout=1h")
    upstream.commit(dag="two")
    gitsync.once("--stale-worktree-timeout=1h")
    hook = gitsync.script("hook", "touch made")
    assert gitsync.once("--stale-worktree-timeout=1h", f"--exechook-command={hook}").returncode == 0
    assert (gitsync.link / "shared").stat().st_mode & 0o222 == 0
    assert (gitsync.root / "revisions" / first / "shared").stat().st_mode & 0o222 == 0
    assert (gitsync.link / "dag").stat().st_mode & 0o200
