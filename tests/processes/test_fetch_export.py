"""The exported tree: sparse patterns, submodules, partial clones; and the objects that a member fetches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gitsync.errors import Refused, RemoteError, StoreError
from gitsync.git import submodules
from gitsync.git.clone import Clone
from gitsync.git.remote import Remote
from tests.unit.conftest import Upstream
from tests.unit.mirrors import MakeMirror, at, commit, git, publish, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitsync.git.mirror import Mirror
    from tests.processes.cluster import Cluster

FILES = {"README": "top", "dags__one.py": "1", "dags__tests__t.py": "t", "dags__deep__two.py": "2", "docs__big": "big"}


def exported(mirror: Mirror, upstream: Upstream) -> dict[str, str]:
    return text(mirror, publish(mirror, upstream))


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        pytest.param((), set(FILES), id="none"),
        pytest.param(("/dags/",), {"dags__one.py", "dags__tests__t.py", "dags__deep__two.py"}, id="directory"),
        pytest.param(("/dags/", "!/dags/tests/"), {"dags__one.py", "dags__deep__two.py"}, id="all-but"),
        pytest.param(("/*", "!/*/"), {"README"}, id="top-only"),
        pytest.param(("*.py", "!t.py"), {"dags__one.py", "dags__deep__two.py"}, id="by-name"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"filter": "blob:none"}, {"filter": "tree:0", "depth": 1}], ids=str)
def test_sparse_patterns_select_as_in_git(
    upstream: Upstream,
    make_mirror: MakeMirror,
    patterns: tuple[str, ...],
    expected: set[str],
    options: dict[str, Any],
) -> None:
    git(upstream.path, "config", "uploadpack.allowFilter", "true")
    upstream.commit(**FILES)
    mirror = make_mirror(sparse=patterns, **options)
    assert exported(mirror, upstream) == {name.replace("__", "/"): FILES[name] for name in expected}


def test_sparse_patterns_from_a_file_are_read_for_each_new_revision(
    upstream: Upstream, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    upstream.commit(**FILES)
    file = tmp_path / "sparse"
    mirror = make_mirror(sparse=("/README",), sparse_file=file)
    with pytest.raises(StoreError, match=str(file)):
        exported(mirror, upstream)
    file.write_text("# comment\n\n/docs/\n")
    assert set(exported(mirror, upstream)) == {"README", "docs/big"}
    file.write_text("/dags/one.py\n")
    assert set(exported(mirror, upstream)) == {"README", "docs/big"}, "what is exported never changes"
    upstream.commit(new="new")
    assert set(exported(mirror, upstream)) == {"README", "dags/one.py"}


def test_patterns_that_select_nothing_are_refused(upstream: Upstream, make_mirror: MakeMirror) -> None:
    upstream.commit(**FILES)
    with pytest.raises(Refused) as error:
        exported(make_mirror(sparse=("/nothing/",)), upstream)
    assert error.value.reason == "NothingSelected"


@pytest.mark.parametrize("kind", ["blob:none", "tree:0", "blob:limit=10"])
def test_a_partial_clone_fetches_the_contents_of_the_tree_in_one_go(
    upstream: Upstream, make_mirror: MakeMirror, commands: Callable[[], list[str]], kind: str
) -> None:
    git(upstream.path, "config", "uploadpack.allowFilter", "true")
    old = upstream.commit(dag="old and long enough for the limit", other="o")
    names = {f"package__module{n}.py": f"the number is {n}" for n in range(50)}
    upstream.commit(dag="new", **names)
    mirror = make_mirror(filter=kind)
    assert exported(mirror, upstream) == {"dag": "new", "other": "o"} | {
        name.replace("__", "/"): content for name, content in names.items()
    }
    assert commands().count("fetch") <= 3
    missing = git(mirror.directory, "rev-list", "--objects", "--missing=print", old)
    assert f"?{git(upstream.path, 'rev-parse', f'{old}:dag' if kind != 'tree:0' else f'{old}^{{tree}}')}" in missing


class Embedding:
    """A repository that embeds another, which embeds a third."""

    def __init__(self, upstream: Upstream, tmp_path: Path) -> None:
        self.outer, self.parent = upstream, tmp_path
        self.inner, self.innermost = self._repository("inner"), self._repository("innermost")
        self.embed(self.inner, "../innermost", "deep")
        self.embed(self.outer, "../inner", "libs/inner")

    def _repository(self, name: str) -> Path:
        git(self.parent, "init", "-q", "-b", "main", name)
        self.write(self.parent / name, name, name)
        return self.parent / name

    def write(self, repository: Path, file: str, content: str) -> None:
        (repository / file).write_text(content)
        git(repository, "add", file)
        commit(repository)

    def embed(self, into: Path | Upstream, url: str, path: str) -> None:
        directory = into if not isinstance(into, Upstream) else into.path
        allowed = ("-c", "protocol.file.allow=always")
        git(directory, *allowed, "submodule", "add", "-q", f"{self.parent}/{url.rpartition('/')[2]}", path)
        git(directory, "config", "-f", ".gitmodules", f"submodule.{path}.url", url)
        git(directory, "add", ".gitmodules")
        commit(directory)


@pytest.fixture
def embedding(upstream: Upstream, tmp_path: Path) -> Embedding:
    upstream.commit(dag="outer")
    return Embedding(upstream, tmp_path)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param(
            "recursive", {"libs/inner/inner", "libs/inner/.gitmodules", "libs/inner/deep/innermost"}, id="all"
        ),
        pytest.param("shallow", {"libs/inner/inner", "libs/inner/.gitmodules"}, id="one-level"),
        pytest.param("off", set(), id="off"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"depth": 1}, {"filter": "blob:none"}], ids=str)
def test_submodules_are_put_in_place(
    embedding: Embedding, make_mirror: MakeMirror, mode: str, expected: set[str], options: dict[str, Any]
) -> None:
    git(embedding.outer.path, "config", "uploadpack.allowFilter", "true")
    mirror = make_mirror(submodules=mode, **options)
    assert set(exported(mirror, embedding.outer)) == {"dag", ".gitmodules"} | expected


def test_a_submodule_without_update_is_left_out_as_git_does(embedding: Embedding, make_mirror: MakeMirror) -> None:
    outer = embedding.outer
    git(outer.path, "config", "-f", ".gitmodules", "submodule.libs/inner.update", "none")
    git(outer.path, "config", "-f", ".gitmodules", "submodule.libs/inner.url", "../gone")
    git(outer.path, "add", ".gitmodules")
    commit(outer.path)
    assert set(exported(make_mirror(), outer)) == {"dag", ".gitmodules"}


def test_a_submodule_that_moves_brings_its_new_files(embedding: Embedding, make_mirror: MakeMirror) -> None:
    mirror = make_mirror()
    exported(mirror, embedding.outer)
    embedding.write(embedding.inner, "inner", "changed")
    git(embedding.outer.path / "libs" / "inner", "pull", "-q", "origin", "main")
    git(embedding.outer.path, "add", "libs/inner")
    commit(embedding.outer.path)
    assert exported(mirror, embedding.outer)["libs/inner/inner"] == "changed"
    revisions = sorted(mirror.revisions())
    mirror.forget(revisions)
    assert git(mirror.directory, "for-each-ref") == "", "its submodules are forgotten with a revision"


def test_sparse_patterns_also_select_submodules(embedding: Embedding, make_mirror: MakeMirror) -> None:
    assert set(exported(make_mirror(sparse=("/dag",)), embedding.outer)) == {"dag"}
    with_libs = exported(make_mirror("other", sparse=("/libs/",)), embedding.outer)
    assert set(with_libs) == {"libs/inner/inner", "libs/inner/.gitmodules", "libs/inner/deep/innermost"}


def test_each_address_is_fetched_with_its_own_credentials(embedding: Embedding, make_mirror: MakeMirror) -> None:
    mirror, asked = make_mirror(), []

    def remotes(url: str) -> Remote:
        asked.append(url)
        return Remote(url)

    revision = mirror.fetch(at(embedding.outer), "main")
    mirror.export(revision, f"file://{embedding.outer.path}", remotes)
    assert asked == [f"file://{embedding.inner}", f"file://{embedding.innermost}"]


@pytest.mark.parametrize(
    ("gitmodules", "reason"),
    [
        pytest.param("", "SubmoduleUnknown", id="not-declared"),
        pytest.param("[submodule 'x']\n path = x\n url = ../gone\n", "RepositoryNotFound", id="gone"),
        pytest.param("[submodule 'x']\n path = x\n url = ../upstream\n", "RefNotFound", id="never-pushed"),
        pytest.param(f"[submodule 'x']\n path = x\n url = {'../' * 99}x\n", "SubmoduleUnknown", id="above-the-root"),
    ],
)
def test_a_submodule_that_cannot_be_had_is_named(
    upstream: Upstream, make_mirror: MakeMirror, gitmodules: str, reason: str
) -> None:
    git(upstream.path, "update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},x")
    upstream.repo.index.update()
    upstream.commit(dag="one", **{".gitmodules": gitmodules.replace("'", '"')})
    with pytest.raises((Refused, RemoteError), match="x") as error:
        exported(make_mirror(), upstream)
    assert vars(error.value)["reason"] == reason


@pytest.mark.parametrize(
    ("base", "url", "expected"),
    [
        ("https://host/team/dags.git", "../lib.git", "https://host/team/lib.git"),
        ("https://host/team/dags/", "../../other/lib", "https://host/other/lib"),
        ("https://host/team/dags", "./lib", "https://host/team/dags/lib"),
        ("https://host:8443/dags", "../lib", "https://host:8443/lib"),
        ("git@host:team/dags.git", "../lib.git", "git@host:team/lib.git"),
        ("git@host:dags.git", "../lib.git", "git@host:lib.git"),
        ("git@host:team/dags.git", "../../lib", "git@host:lib"),
        ("/srv/git/dags", "../lib", "/srv/git/lib"),
        ("https://host/dags", "https://elsewhere/lib", "https://elsewhere/lib"),
    ],
)
def test_relative_addresses(base: str, url: str, expected: str) -> None:
    assert submodules.resolved(base, url) == expected


@pytest.mark.parametrize("base", ["https://host/dags", "file:///dags", "git@host:dags"])
def test_a_relative_address_never_leaves_its_host(base: str) -> None:
    with pytest.raises(Refused, match="above"):
        submodules.resolved(base, "../../../x")


def held(mirror: Mirror) -> tuple[int, int]:
    """How many objects it has, those that it was sent twice counted twice; and the KiB of their packs."""
    counted = dict(line.split(": ") for line in git(mirror.directory, "count-objects", "-v").splitlines())
    return int(counted["count"]) + int(counted["in-pack"]), int(counted["size-pack"])


def two_thousand_files() -> Iterator[str]:
    """A commit of `main`, as `git fast-import` reads it."""
    yield "commit refs/heads/main\ncommitter a <a@example.org> 0 +0000\ndata 1\nx\n"
    for number in range(2000):
        content = f"number = {number}\n" * 50
        yield f"M 644 inline package{number % 20}/module{number}\ndata {len(content)}\n{content}\n"


@pytest.mark.parametrize("options", [{}, {"depth": 1}, {"filter": "tree:0", "depth": 1}], ids=str)
def test_a_member_fetches_a_few_objects_for_a_file_that_changed(
    cluster: Cluster,
    upstream: Upstream,
    make_mirror: MakeMirror,
    options: dict[str, Any],
) -> None:
    """2,000 files from the controller's HTTP side, whatever its mirror is: first all of them, then what is new."""
    git(upstream.path, "config", "uploadpack.allowFilter", "true")
    git(upstream.path, "fast-import", "--quiet", stdin="".join(two_thousand_files()))
    git(upstream.path, "reset", "-q", "--hard")
    cluster.mirror.clone = Clone(**options)
    member = make_mirror("member")
    config = {"http.extraHeader": "Authorization: Bearer member-token"}
    remote = Remote(f"http://127.0.0.1:{cluster.port}/git/dags.git", config=config)
    revisions = []
    for content in ("one", "two"):
        upstream.commit(package7__module7=content)
        revisions.append(publish(cluster.mirror, upstream))
        cluster.fleet.offer(revisions[-1])
    member.take(remote, revisions[0])
    objects, size = held(member)
    assert objects > 2000
    member.take(remote, revisions[1])
    assert held(member)[0] - objects < 10, "a commit, two trees, a file, and what they are differences to"
    assert held(member)[1] - size < size / 10
    assert member.changed(*revisions) == {"package7/module7"}
    assert git(member.directory, "rev-list", "--all", "--count") == "2", "and no history"
