"""A source with real repositories: fetches, refusals, candidates and retries."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gitsync import assembly as build
from gitsync import metrics
from gitsync.controller.announce import Announcer
from gitsync.controller.source import Source, Wanted
from gitsync.settings import SourceSettings
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.controller.candidate import Candidate
    from tests.unit.conftest import Upstream


@dataclass
class Watched:
    """A source whose thread runs, the Events it caused, and what others were told of which revision."""

    source: Source
    events: list[str] = field(default_factory=list)
    told: list[tuple[str, str | None]] = field(default_factory=list)

    def candidate(self) -> str | None:
        return self.source.candidate.revision if self.source.candidate else None

    def wait_for(self, revision: str | None) -> None:
        self.source.look_soon()
        eventually(lambda: self.candidate() == revision, f"{revision} is the candidate; {self.events}")

    def wait_refused(self, reason: str) -> str:
        self.source.look_soon()

        def refused() -> str | None:
            found = self.source.refusal or self.source.trouble
            return found.message if found and found.reason == reason else None

        message: str = eventually(refused, f"{reason}; {self.events}, {self.source.refusal}, {self.source.trouble}")
        return message


Start = Callable[..., Watched]


@pytest.fixture
def start(upstream: Upstream, tmp_path: Path) -> Iterator[Start]:
    sources: list[Source] = []

    def begin(volume: str = "volume", **wanted: object) -> Watched:
        base = {"name": "dags", "repo": str(upstream.path), "ref": "main", "period": 3600, "gate": {"policy": "off"}}
        settings = SourceSettings.model_validate({**base, **wanted})
        events: list[str] = []
        told: list[tuple[str, str | None]] = []
        announcer = Announcer(
            "dags",
            lambda reason, _message, **_kind: events.append(reason),
            lambda notice: told.append((notice.kind.value, notice.revision)),
        )
        root = tmp_path / volume
        source = build.source(settings, announcer, build.Volume(root, "no-gate"))
        source.start()
        sources.append(source)
        return Watched(source, events, told)

    yield begin
    for source in sources:
        source.stop()
        source.join()


def test_a_push_becomes_the_candidate_only_while_we_lead(upstream: Upstream, start: Start) -> None:
    first = upstream.commit(dag="one")
    watched = start()
    watched.source.look_soon()
    watched.source.want(Wanted(active=True))
    watched.wait_for(first)
    second = upstream.commit(dag="two")
    watched.wait_for(second)
    watched.source.want(Wanted(active=True, published=second))
    eventually(lambda: watched.candidate() is None, "what is published is no candidate")


def test_a_candidate_that_a_newer_one_replaces_is_superseded(upstream: Upstream, start: Start) -> None:
    """1. a candidate; 2. a newer one takes its place; 3. that one is published, which supersedes nothing."""
    published = upstream.commit(dag="one")
    watched = start()
    watched.source.want(Wanted(active=True, published=published))
    first = upstream.commit(dag="two")
    watched.wait_for(first)
    second = upstream.commit(dag="three")
    watched.wait_for(second)
    watched.source.want(Wanted(active=True, published=second))
    eventually(lambda: watched.candidate() is None, "what is published is no candidate")
    assert watched.told == [("superseded", first)]


def test_a_refused_revision_leaves_the_earlier_candidate(upstream: Upstream, start: Start) -> None:
    """1. a good commit waits; 2. a bad one is refused and named; 3. the good one still waits; 4. the cure is taken."""
    published = upstream.commit(dag="one")
    watched = start()
    watched.source.want(Wanted(active=True, published=published))
    good = upstream.commit(dag="two")
    watched.wait_for(good)
    (upstream.path / "escape").symlink_to("/etc/passwd")
    upstream.repo.index.add(["escape"])
    upstream.commit(dag="three")
    assert "escape" in watched.wait_refused("TreeRefused")
    assert watched.candidate() == good
    assert watched.events.count("TreeRefused") == 1
    cure = upstream.commit(escape=None)
    watched.wait_for(cure)
    assert watched.source.refusal is None


def test_a_refused_revision_is_not_judged_again(upstream: Upstream, start: Start) -> None:
    watched = start(subdirectory="airflow")
    upstream.commit(dag="one")
    watched.source.want(Wanted(active=True))
    watched.wait_refused("SubdirectoryMissing")
    cure = upstream.commit(airflow__dag="one")
    watched.wait_for(cure)


def test_an_impact_names_what_is_removed(upstream: Upstream, start: Start) -> None:
    published = upstream.commit(airflow__kept="1", airflow__gone="1", elsewhere="1")
    watched = start(subdirectory="airflow")
    watched.source.want(Wanted(active=True, published=published))
    watched.wait_for(upstream.commit(airflow__gone=None, elsewhere=None))
    candidate = watched.source.candidate
    assert candidate is not None
    assert candidate.impact.removed == {"gone"}
    assert candidate.base == published


@pytest.mark.parametrize("policy", ["allow", "refuse"])
def test_a_rewritten_branch_is_named(upstream: Upstream, start: Start, policy: str) -> None:
    first = upstream.commit(dag="one")
    second = upstream.commit(dag="two")
    watched = start(force_push=policy)
    watched.source.want(Wanted(active=True, published=first))
    watched.wait_for(second)
    upstream.repo.git.reset("--hard", first)
    other = upstream.commit(dag="other")
    if policy == "allow":
        watched.wait_for(other)
        assert "ForcePushed" in watched.events
    else:
        assert other[:12] in watched.wait_refused("ForcePushRefused")
        assert watched.candidate() == second


def test_an_impact_names_the_dags_that_a_helper_is_imported_by(upstream: Upstream, start: Start) -> None:
    dag = "from airflow.sdk import dag\n"
    published = upstream.commit(**{"one.py": dag + "import helper\n", "two.py": dag, "helper.py": ""})
    watched = start()
    watched.source.want(Wanted(active=True, published=published))
    watched.wait_for(upstream.commit(**{"helper.py": "HELP = 1\n", "README.md": "words"}))
    assert watched.source.candidate is not None
    assert watched.source.candidate.impact.touched == frozenset({"one.py"})
    watched.wait_for(upstream.commit(**{"helper.py": "", "README.md": "other words"}))
    assert watched.source.candidate.impact.touched == frozenset()


def test_a_file_that_airflow_would_not_look_at_is_a_dag_file_where_safe_mode_is_off(
    upstream: Upstream, start: Start
) -> None:
    published = upstream.commit(**{"plain.py": ""})
    watched = start(impact={"safe_mode": False})
    watched.source.want(Wanted(active=True, published=published))
    watched.wait_for(upstream.commit(**{"plain.py": "changed = True\n"}))
    assert watched.source.candidate is not None
    assert watched.source.candidate.impact.touched == frozenset({"plain.py"})


def test_a_gate_that_does_not_answer_makes_the_candidate_wait(upstream: Upstream, start: Start) -> None:
    upstream.commit(dag="one")
    watched = start(gate={"policy": "strict"})
    watched.source.want(Wanted(active=True))
    assert "no gate answers at" in watched.wait_refused("GateUnavailable")
    assert watched.candidate() is None


def test_an_operators_revision_comes_instead_of_the_refs(upstream: Upstream, start: Start) -> None:
    old = upstream.commit(dag="one")
    new = upstream.commit(dag="two")
    watched = start()
    watched.source.want(Wanted(active=True, published=new, instead=old))
    watched.wait_for(old)
    watched.source.want(Wanted(active=True, published=old))
    watched.wait_for(new)


def test_what_is_published_is_fetched_onto_a_new_volume(upstream: Upstream, start: Start) -> None:
    published = upstream.commit(dag="one")
    new = upstream.commit(dag="two")
    watched = start("another")
    watched.source.want(Wanted(active=True, published=published))
    watched.wait_for(new)
    assert watched.source.mirror.exported(published)


def test_a_remote_that_is_away_keeps_everything_and_heals(upstream: Upstream, start: Start) -> None:
    published = upstream.commit(dag="one")
    watched = start()
    watched.source.want(Wanted(active=True, published=published))
    candidate = upstream.commit(dag="two")
    watched.wait_for(candidate)
    away = upstream.path.with_name("away")
    shutil.move(upstream.path, away)
    watched.wait_refused("RepositoryNotFound")
    assert watched.candidate() == candidate
    shutil.move(away, upstream.path)
    watched.wait_for(upstream.commit(dag="three"))
    assert watched.source.trouble is None
    assert watched.events == ["RepositoryNotFound"]


def test_an_unsigned_revision_is_refused_unless_an_operator_vouches(
    upstream: Upstream, start: Start, tmp_path: Path
) -> None:
    signers = tmp_path / "signers"
    signers.touch()
    revision = upstream.commit(dag="one")
    watched = start(signatures={"mode": "commit", "ssh_allowed_signers": str(signers)})
    watched.source.want(Wanted(active=True))
    watched.wait_refused("Unsigned")
    assert watched.candidate() is None
    watched.source.want(Wanted(active=True, instead=revision))
    watched.wait_for(revision)


def test_changed_keys_make_it_judge_again(upstream: Upstream, start: Start, tmp_path: Path) -> None:
    signers = tmp_path / "signers"
    signers.touch()
    upstream.commit(dag="one")
    watched = start(signatures={"mode": "commit", "ssh_allowed_signers": str(signers)})
    watched.source.want(Wanted(active=True))
    watched.wait_refused("Unsigned")
    before = watched.events.count("Unsigned")
    eventually(
        lambda: signers.write_text(f"{signers.read_text()}# a key\n") and watched.events.count("Unsigned") > before,
        "it is judged again",
    )


def test_a_defect_of_ours_keeps_the_source_alive(
    upstream: Upstream, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1. judging a commit fails in a way that nobody expects; 2. it is said; 3. the next commit is a candidate."""
    watched = start()
    admit = watched.source.admission.admit
    hostile = upstream.commit(dag="one")

    def fail(revision: str, base: str | None, *, vouched: bool) -> Candidate:
        if revision == hostile:
            raise TypeError("unhashable type: 'list'")
        return admit(revision, base, vouched=vouched)

    monkeypatch.setattr(watched.source.admission, "admit", fail)
    watched.source.want(Wanted(active=True))
    assert "unhashable" in watched.wait_refused("InternalError")
    assert watched.source.trouble is not None
    assert watched.source.trouble.reason == "InternalError"
    assert b'gitsync_defects_total{source="dags"}' in metrics.exposition()
    assert not watched.source.ended
    watched.wait_for(upstream.commit(dag="two"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_source_whose_thread_has_ended_is_noticed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """1. It runs. 2. Its thread dies, which would end the process. 3. It is asked to stop, which is no fault."""
    watched = start()
    assert not watched.source.ended

    def dies(_wanted: Wanted) -> None:
        raise SystemExit

    monkeypatch.setattr(watched.source, "_turn", dies)
    watched.source.want(Wanted(active=True))
    eventually(lambda: watched.source.ended, "its thread has ended")
    watched.source.stop()
    assert not watched.source.ended
