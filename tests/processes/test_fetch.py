"""Fetching: refs that move and vanish, histories of every depth, and the small cost of a look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gitsync.errors import RemoteError, StoreError
from gitsync.git.clone import Clone
from gitsync.git.command import SAFE_CONFIG, OutputTooLong, environment, output, run
from gitsync.git.remote import Remote
from tests.unit.mirrors import NOWHERE, MakeMirror, at, commit, git, publish, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.conftest import Upstream


@pytest.mark.parametrize("options", [{}, {"depth": 1}, {"filter": "blob:none"}], ids=["full", "shallow", "partial"])
def test_a_look_that_finds_nothing_new_is_one_command(
    upstream: Upstream, make_mirror: MakeMirror, commands: Callable[[], list[str]], options: dict[str, Any]
) -> None:
    revision = upstream.commit(dag="one")
    upstream.repo.create_tag("v1", message="annotated")
    mirror = make_mirror(**options)
    for ref in ("main", "v1", "HEAD", "refs/heads/main"):
        mirror.fetch(at(upstream), ref)
        commands()
        assert mirror.fetch(at(upstream), ref) == revision
        assert commands() == ["ls-remote"]


def test_a_full_revision_that_is_here_is_not_asked_for(
    upstream: Upstream, make_mirror: MakeMirror, commands: Callable[[], list[str]]
) -> None:
    revision = upstream.commit(dag="one")
    mirror = make_mirror()
    mirror.fetch(at(upstream), revision)
    commands()
    assert mirror.fetch(NOWHERE, revision) == revision
    assert commands() == []


def test_a_tag_comes_before_a_branch_of_its_name_and_a_part_of_a_name_is_no_ref(
    upstream: Upstream, make_mirror: MakeMirror, commands: Callable[[], list[str]]
) -> None:
    tagged = upstream.commit(dag="one")
    upstream.repo.create_tag("both")
    upstream.commit(dag="two")
    upstream.repo.create_head("both")
    upstream.repo.create_head("feature/part")
    mirror = make_mirror()
    assert mirror.fetch(at(upstream), "both") == tagged
    commands()
    assert mirror.fetch(at(upstream), "both") == tagged
    assert commands() == ["ls-remote"]
    with pytest.raises(RemoteError) as error:
        mirror.fetch(at(upstream), "part")
    assert error.value.reason == "RefNotFound"


def test_a_tag_of_something_else_than_a_commit_is_named(upstream: Upstream, make_mirror: MakeMirror) -> None:
    upstream.commit(dag="one")
    git(upstream.path, "tag", "blob", "HEAD:dag")
    with pytest.raises(RemoteError) as error:
        make_mirror().fetch(at(upstream), "blob")
    assert error.value.reason == "NotACommit"


def test_a_deleted_branch_is_named_and_what_was_fetched_stays(upstream: Upstream, make_mirror: MakeMirror) -> None:
    revision = upstream.commit(dag="one")
    upstream.repo.create_head("release")
    mirror = make_mirror()
    mirror.fetch(at(upstream), "release")
    mirror.export(revision, str(upstream.path))
    upstream.repo.delete_head("release")
    with pytest.raises(RemoteError) as error:
        mirror.fetch(at(upstream), "release")
    assert error.value.reason == "RefNotFound"
    assert mirror.revisions() == {revision}


def test_another_repository_and_another_ref_are_followed_at_once(
    upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    first = upstream.commit(dag="one")
    mirror = make_mirror()
    publish(mirror, upstream)
    git(tmp_path, "init", "-q", "-b", "trunk", "other")
    commit(tmp_path / "other")
    other = Remote(f"file://{tmp_path}/other")
    second = mirror.fetch(other, "trunk")
    assert second == git(tmp_path / "other", "rev-parse", "HEAD")
    mirror.export(second, other.url)
    assert mirror.revisions() == {first, second}, "a run may still need the old repository's"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"depth": 1}, {}, id="deeper"),
        pytest.param({}, {"depth": 1}, id="shallower"),
        pytest.param({"filter": "blob:none"}, {}, id="unfiltered"),
        pytest.param({}, {"filter": "tree:0"}, id="filtered"),
        pytest.param({"filter": "blob:none"}, {"filter": "tree:0", "depth": 1}, id="both"),
    ],
)
def test_depth_and_filter_change_at_a_restart(
    upstream: Upstream, make_mirror: MakeMirror, before: dict[str, Any], after: dict[str, Any]
) -> None:
    git(upstream.path, "config", "uploadpack.allowFilter", "true")
    upstream.commit(dag="one", module="one")
    revision = upstream.commit(dag="two")
    for options, content in ((before, "two"), (after, "three")):
        mirror = make_mirror(**options)
        assert mirror.fetch(at(upstream), "main") == revision
        mirror.export(revision, f"file://{upstream.path}")
        assert text(mirror, revision) == {"dag": content, "module": "one"}
        revision = upstream.commit(dag="three")


def test_history_is_whole_again_after_a_shallow_clone(upstream: Upstream, make_mirror: MakeMirror) -> None:
    first = upstream.commit(dag="one")
    second = upstream.commit(dag="two")
    make_mirror(depth=1).fetch(at(upstream), "main")
    third = upstream.commit(dag="three")
    mirror = make_mirror()
    mirror.fetch(at(upstream), "main")
    assert mirror.has(first)
    assert mirror.descends(third, second)


def test_files_read_and_changed_describe_the_trees(upstream: Upstream, make_mirror: MakeMirror) -> None:
    names = {"plain": "one", "péché": "ü\n", "with space/and\ttab": "three"}
    (upstream.path / "run.sh").write_text("#!/bin/sh\n")
    (upstream.path / "run.sh").chmod(0o755)
    (upstream.path / "link").symlink_to("plain")
    upstream.repo.index.add(["run.sh", "link"])
    old = upstream.commit(**names)
    (upstream.path / "plain").chmod(0o755)
    upstream.repo.index.add(["plain"])
    new = upstream.commit(péché=None, moved="ü\n", added="")
    mirror = make_mirror()
    for revision in (old, new):
        mirror.fetch(at(upstream), revision)
        mirror.export(revision, str(upstream.path))
    assert text(mirror, old) == {**names, "run.sh": "#!/bin/sh\n", "link": "plain"}
    assert {path: (entry.mode, entry.size) for path, entry in mirror.files(old).items()} == {
        "plain": ("100644", 3), "péché": ("100644", 3), "with space/and\ttab": ("100644", 5),
        "run.sh": ("100755", 10), "link": ("120000", 5),
    }  # fmt: skip
    assert mirror.changed(old, new) == {"plain", "péché", "moved", "added"}
    assert mirror.read([]) == {}
    with pytest.raises(StoreError, match="missing"):
        mirror.read(["a" * 40])


def test_a_force_push_is_told_from_a_push(upstream: Upstream, make_mirror: MakeMirror) -> None:
    first = upstream.commit(dag="one")
    second = upstream.commit(dag="two")
    mirror = make_mirror()
    mirror.fetch(at(upstream), "main")
    upstream.repo.git.reset("--hard", first)
    third = upstream.commit(dag="three")
    mirror.fetch(at(upstream), "main")
    assert mirror.descends(second, first) is True
    assert mirror.descends(third, second) is False
    assert mirror.descends(third, "a" * 40) is None
    shallow = make_mirror("shallow", depth=1)
    for revision in (second, third):
        shallow.fetch(at(upstream), revision)
    assert shallow.descends(third, second) is None


def test_two_mirrors_make_the_same_of_a_revision(upstream: Upstream, make_mirror: MakeMirror) -> None:
    """A successor on another volume serves members that have trees of its predecessor."""
    upstream.commit(dag="one")
    mirrors = [make_mirror("one"), make_mirror("two", depth=1)]
    revision = {publish(mirror, upstream) for mirror in mirrors}.pop()
    names = {git(mirror.directory, "rev-parse", f"refs/trees/{revision}") for mirror in mirrors}
    assert len(names) == 1


def test_forgotten_revisions_are_removed_and_others_stay(upstream: Upstream, make_mirror: MakeMirror) -> None:
    revisions = []
    mirror = make_mirror(gc="always")
    for content in ("one", "two", "three"):
        revisions.append(upstream.commit(dag=content))
        publish(mirror, upstream)
    mirror.forget(revisions[:2])
    assert mirror.revisions() == {revisions[2]}
    assert not mirror.exported(revisions[0])
    references = git(mirror.directory, "for-each-ref", "--format=%(refname)").split()
    assert references == [f"refs/revisions/{revisions[2]}", f"refs/trees/{revisions[2]}"]


@pytest.mark.parametrize("version", ["0", "2"])
@pytest.mark.parametrize("kind", ["branch", "revision", "not-a-tip"])
def test_git_daemon_of_any_age(
    upstream: Upstream, make_mirror: MakeMirror, daemon: str, version: str, kind: str
) -> None:
    older = upstream.commit(dag="one")
    newer = upstream.commit(dag="two")
    ref = {"branch": "main", "revision": newer, "not-a-tip": older}[kind]
    remote = Remote(daemon, config={"protocol.version": version})
    mirror = make_mirror(depth=1)
    assert mirror.fetch(remote, ref) == (older if kind == "not-a-tip" else newer)
    with pytest.raises(RemoteError) as error:
        mirror.fetch(remote, "a" * 40)
    assert error.value.reason in ("RefNotFound", "RevisionNotOffered")


def test_a_branch_that_has_become_a_folder_of_branches(
    upstream: Upstream, make_mirror: MakeMirror, daemon: str
) -> None:
    """A host that gives out no commit by its id has all of its branches fetched. One is in the way of another."""
    first, second = upstream.commit(dag="one"), upstream.commit(dag="two")
    upstream.commit(dag="three")
    git(upstream.path, "branch", "feature", first)
    remote = Remote(daemon, config={"protocol.version": "0"})
    mirror = make_mirror(depth=1)
    assert mirror.fetch(remote, second) == second
    git(upstream.path, "branch", "-D", "feature")
    git(upstream.path, "branch", "feature/one", second)
    newer = upstream.commit(dag="four")
    upstream.commit(dag="five")
    assert mirror.fetch(remote, newer) == newer


@pytest.mark.parametrize("ref", ["-dash", "--upload-pack=false"])
def test_a_ref_is_no_option(upstream: Upstream, make_mirror: MakeMirror, ref: str) -> None:
    revision = upstream.commit(dag="one")
    git(upstream.path, "update-ref", f"refs/heads/{ref}", revision)
    assert make_mirror().fetch(at(upstream), ref) == revision


def test_nothing_of_the_machines_configuration_reaches_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".gitconfig").write_text("[user]\n name = Somebody\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_SSH_COMMAND", "evil")
    monkeypatch.setenv("GIT_SSL_CAINFO", "/authorities.pem")
    env = environment({"GIT_INDEX_FILE": "/index"}, {"user.email": "ours", "core.hooksPath": "/ours"})
    assert {"GIT_DIR", "GIT_SSH_COMMAND"}.isdisjoint(env)
    assert (env["GIT_SSL_CAINFO"], env["GIT_INDEX_FILE"]) == ("/authorities.pem", "/index")
    listed = dict(line.split("=", 1) for line in run("config", "--list", env=env, timeout=60).splitlines())
    expected = {**SAFE_CONFIG, "user.email": "ours", "core.hooksPath": "/ours"}
    assert listed == {key.lower(): value for key, value in expected.items()}


def test_output_without_end_is_cut_off(upstream: Upstream) -> None:
    upstream.commit(dag="x" * 1000)
    env = environment({"GIT_DIR": f"{upstream.path}/.git"}, {})
    with pytest.raises(OutputTooLong):
        output("cat-file", "blob", "HEAD:dag", env=env, timeout=60, limit=999)
    assert len(output("cat-file", "blob", "HEAD:dag", env=env, timeout=60, limit=1000)) == 1000


@pytest.mark.parametrize("wrong", [{"depth": -1}, {"filter": "blob:limit"}], ids=str)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        Clone(**wrong)
