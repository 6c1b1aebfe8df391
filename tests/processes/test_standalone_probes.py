"""The probes, metrics and files of stand-alone mode."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.ports import free_port
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.processes.standalone import Standalone
    from tests.unit.conftest import Upstream


@dataclass(frozen=True)
class Probe:
    port: int

    @property
    def option(self) -> str:
        return f"--http-bind=127.0.0.1:{self.port}"

    def ask(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except urllib.error.URLError:
            return 0, "not there yet"

    def metric(self, name: str) -> float:
        lines = self.ask("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def becomes(self, path: str, code: int) -> str:
        eventually(lambda: self.ask(path)[0] == code, f"{path} answers {code}")
        return self.ask(path)[1]


@pytest.fixture
def probe() -> Probe:
    return Probe(free_port())


def test_probes_and_metrics(gitsync: Standalone, upstream: Upstream, probe: Probe) -> None:
    """1. Before the first sync: alive, not ready. 2. After it: ready; the metrics say what is published."""
    revision = upstream.commit(dag="one")
    leave = gitsync.directory / "leave"
    hook = gitsync.script("hook", f"until test -e {leave}; do sleep 0.05; done")
    gitsync.start(f"--pre-publish-exechook-command={hook}", probe.option, "--http-metrics")
    assert probe.becomes("/", 503) == "not synced yet\n"
    assert [probe.ask(path)[0] for path in ("/livez", "/readyz", "/nowhere")] == [200, 503, 404]
    leave.touch()
    assert probe.becomes("/", 200) == "ok\n"
    assert probe.ask("/readyz")[0] == 200
    metrics = probe.ask("/metrics")[1].splitlines()
    assert 'git_sync_count_total{status="success"} 1' in metrics
    assert "git_fetch_count_total 1" in metrics
    assert f'git_sync_published_info{{revision="{revision}"}} 1' in metrics
    upstream.commit(dag="two")
    gitsync.shows("two")
    wanted = 'git_sync_count_total{status="success"} 2'
    eventually(lambda: wanted in probe.ask("/metrics")[1].splitlines(), "the second publication is counted")


def test_readiness_turns_red_again(gitsync: Standalone, upstream: Upstream, probe: Probe) -> None:
    """Upstream's probe stays green for ever; `/` does so too, `/readyz` says the trouble and its end."""
    upstream.commit(dag="one")
    gitsync.start(probe.option, "--max-failures=-1")
    probe.becomes("/readyz", 200)
    away = upstream.path.with_name("away")
    upstream.path.rename(away)
    assert "no repository at" in probe.becomes("/readyz", 503)
    assert [probe.ask(path)[0] for path in ("/", "/livez")] == [200, 200]
    assert gitsync.read() == "one"
    away.rename(upstream.path)
    probe.becomes("/readyz", 200)


def test_probes_after_a_restart(gitsync: Standalone, upstream: Upstream, probe: Probe) -> None:
    upstream.commit(dag="one")
    gitsync.once()
    gitsync.start(probe.option)
    assert probe.becomes("/", 200)
    assert gitsync.read() == "one"


def test_metrics_only_when_asked_for(gitsync: Standalone, upstream: Upstream, probe: Probe) -> None:
    upstream.commit(dag="one")
    gitsync.start(probe.option)
    probe.becomes("/", 200)
    assert probe.ask("/metrics")[0] == 404


def test_an_address_that_is_taken_is_named(gitsync: Standalone, upstream: Upstream, probe: Probe) -> None:
    upstream.commit(dag="one")
    gitsync.start(probe.option)
    probe.becomes("/", 200)
    result = gitsync.once(f"--root={gitsync.directory}/other", probe.option)
    assert (result.returncode, "--http-bind" in result.stderr) == (1, True)


def test_what_is_not_supported_is_named_at_start(gitsync: Standalone, upstream: Upstream, probe: Probe) -> None:
    upstream.commit(dag="one")
    result = gitsync.once("--http-pprof", probe.option)
    assert result.returncode == 0
    assert "--http-pprof is not supported" in result.stderr


@pytest.mark.parametrize("place", ["error.json", "absolute"])
def test_the_last_error_is_in_a_file(gitsync: Standalone, upstream: Upstream, place: str) -> None:
    upstream.commit(dag="one")
    file = gitsync.root / "error.json" if place != "absolute" else gitsync.directory / "dir" / "error.json"
    option = f"--error-file={place if place != 'absolute' else file}"
    assert gitsync.once("--ref=does-not-exist", option).returncode == 1
    assert "ref 'does-not-exist' does not exist" in json.loads(file.read_text())["Err"]
    assert gitsync.once(option).returncode == 0
    assert not file.exists()


@pytest.mark.parametrize("place", ["touch.file", "absolute"])
def test_a_file_is_touched_by_each_publication(
    gitsync: Standalone, upstream: Upstream, probe: Probe, place: str
) -> None:
    """1. The first sync touches it. 2. Syncs with nothing new leave it alone. 3. Forward and backward touch it."""
    first = upstream.commit(dag="one")
    file = gitsync.root / "touch.file" if place != "absolute" else gitsync.directory / "dir" / "touch.file"
    gitsync.start(f"--touch-file={place if place != 'absolute' else file}", probe.option, "--http-metrics")
    eventually(file.exists, "the file is touched")
    file.unlink()
    eventually(lambda: probe.metric('git_sync_count_total{status="noop"}') > 1, "there was nothing new twice")
    assert not file.exists()
    upstream.commit(dag="two")
    eventually(file.exists, "the file is touched by a push")
    file.unlink()
    assert gitsync.read() == "two"
    upstream.repo.git.reset("--hard", first)
    eventually(file.exists, "the file is touched by a force-push")
    assert gitsync.read() == "one"


@pytest.mark.parametrize("wrong", ["--period=soon", "--no-such-flag", "--depth=-1", "--http-bind=here"])
def test_a_wrong_flag_is_in_the_error_file(gitsync: Standalone, wrong: str) -> None:
    """1. Start with a wrong flag. 2. It ends with one line, which is also in the error file."""
    result = gitsync.once(wrong, "--error-file=error.json")
    assert result.returncode == 1
    assert wrong.partition("=")[0] in result.stderr.splitlines()[-1]
    assert f"gitsync: {json.loads((gitsync.root / 'error.json').read_text())['Err']}" == result.stderr.splitlines()[-1]


def test_the_process_is_in_the_metrics(gitsync: Standalone, upstream: Upstream, probe: Probe) -> None:
    upstream.commit(dag="one")
    gitsync.start(probe.option, "--http-metrics")
    probe.becomes("/readyz", 200)
    assert probe.metric("process_resident_memory_bytes") > 0
    assert probe.metric("process_start_time_seconds") > 0
