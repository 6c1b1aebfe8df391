"""Who is told what happens to revisions: what each is sent, and that the last word on each revision arrives."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import signal
import threading
from base64 import b64decode, b64encode
from collections import Counter
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import REGISTRY
from pydantic import TypeAdapter, ValidationError

from gitsync.errors import GitSyncError, NotDelivered
from gitsync.git.github_app import GitHubApp
from gitsync.notify.command import Command
from gitsync.notify.commit_status import GitHubStatus, GitLabStatus
from gitsync.notify.files import ErrorFile, TouchFile
from gitsync.notify.notice import Kind, Notice, Sink
from gitsync.notify.notifier import Notifier, Retries
from gitsync.notify.options import NotifyOptions
from gitsync.notify.webhook import Webhook
from tests.unit.servers import Seen, run, service
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.unit.conftest import Upstream
    from tests.unit.standalone import Standalone

OLD, NEW = "a" * 40, "b" * 40
PUBLISHED = Notice(kind=Kind.PUBLISHED, source="dags", revision=NEW, epoch=3)
RUNS = ("etl manual__1", "etl manual__2")
DEFERRED = Notice(kind=Kind.DEFERRED, source="dags", revision=NEW, runs=RUNS, message="2 blocking runs")
REFUSED = Notice(kind=Kind.REFUSED, source="dags", revision=NEW, message="no valid signature", reason="Unsigned")
UNDONE = Notice(kind=Kind.UNDONE, source="dags", revision=NEW, message="no answer from worker-0")
FAILED = Notice(kind=Kind.FAILED, source="dags", message="the host does not answer", reason="HostUnreachable")

AnswerTo = tuple[int, "Mapping[str, str]", str]


@dataclass
class Receiver:
    """A server that writes down what it gets."""

    url: str = ""
    answer: Callable[[Seen], AnswerTo] = lambda _seen: (200, {}, "")
    seen: list[Seen] = field(default_factory=list)

    def __call__(self, seen: Seen) -> AnswerTo:
        self.seen.append(seen)
        return self.answer(seen)

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(seen.body) for seen in self.seen]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with service(receiver) as receiver.url:
        yield receiver


# -- the notice ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notice", "line"),
    [
        pytest.param(PUBLISHED, "published", id="published"),
        pytest.param(replace(DEFERRED, runs=RUNS[:1]), "deferred by run etl manual__1", id="one-run"),
        pytest.param(DEFERRED, "deferred by run etl manual__1 and 1 more", id="runs"),
        pytest.param(replace(DEFERRED, runs=(), message="no window"), "deferred: no window", id="window"),
        pytest.param(REFUSED, "refused: no valid signature", id="refused"),
        pytest.param(replace(REFUSED, message="two\n lines"), "refused: two lines", id="lines"),
        pytest.param(UNDONE, "taken back: no answer from worker-0", id="undone"),
        pytest.param(replace(REFUSED, message="x" * 200), "refused: " + "x" * 130 + "…", id="long"),
    ],
)
def test_a_notice_in_a_line(notice: Notice, line: str) -> None:
    assert notice.summary() == line
    assert len(line) <= 140


# -- webhook ---------------------------------------------------------------------------------------------------------


def valid(seen: Seen, key: bytes) -> bool:
    """As a receiver checks it, by the words of standardwebhooks.com."""
    headers = {name.lower(): value for name, value in seen.headers.items()}
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), seen.body])
    version, _, given = headers["webhook-signature"].partition(",")
    return version == "v1" and hmac.digest(key, signed, hashlib.sha256) == b64decode(given)


@pytest.mark.parametrize("notice", [PUBLISHED, DEFERRED, REFUSED, UNDONE], ids=lambda notice: notice.kind.value)
def test_a_webhook_gets_the_whole_notice(receiver: Receiver, notice: Notice) -> None:
    webhook = Webhook(url=f"{receiver.url}/hook")
    assert webhook.wants(notice)
    webhook.send(notice)
    (seen,), (document,) = receiver.seen, receiver.documents
    assert (seen.method, seen.path, seen.headers["Gitsync-Hash"]) == ("POST", "/hook", NEW)
    assert document == {
        "id": notice.name, "kind": notice.kind.value, "source": "dags", "revision": NEW, "message": notice.message,
        "epoch": notice.epoch, "runs": list(notice.runs), "reason": notice.reason, "at": notice.at,
    }  # fmt: skip
    assert "webhook-signature" not in {name.lower() for name in seen.headers}


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        pytest.param(b"any text\n", b"any text", id="text"),
        pytest.param(b"whsec_" + b64encode(b"32 bytes") + b"\n", b"32 bytes", id="whsec"),
    ],
)
def test_a_webhook_is_signed(receiver: Receiver, tmp_path: Path, secret: bytes, key: bytes) -> None:
    """Id, time and body are: with each of them changed, the signature is wrong."""
    file = tmp_path / "secret"
    file.write_bytes(secret)
    Webhook(url=receiver.url, secret_file=file).send(PUBLISHED)
    (seen,) = receiver.seen
    assert valid(seen, key)
    assert not valid(seen, b"another")
    assert not valid(replace(seen, body=seen.body + b" "), key)
    for name in ("Webhook-id", "Webhook-timestamp"):
        assert not valid(replace(seen, headers={**seen.headers, name: "1"}), key)


def test_a_webhook_that_is_sent_again_has_its_id_and_the_key_of_the_day(receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for key in (b"one", b"two"):
        file.write_bytes(key)
        Webhook(url=receiver.url, secret_file=file).send(PUBLISHED)
        assert valid(receiver.seen[-1], key)
    assert len({document["id"] for document in receiver.documents}) == 1


@pytest.mark.parametrize(
    ("status", "success", "delivered"),
    [(200, None, True), (204, None, True), (302, None, False), (500, None, False), (201, 201, True), (200, 201, False),
     (500, 0, True)],
)  # fmt: skip
def test_which_answers_are_a_success(receiver: Receiver, status: int, success: int | None, *, delivered: bool) -> None:
    receiver.answer = lambda _seen: (status, {"Location": "/elsewhere"}, "")
    webhook = Webhook(url=f"{receiver.url}/hook", success_status=success, method="put")
    with nullcontext() if delivered else pytest.raises(NotDelivered, match=f"answered with status {status}"):
        webhook.send(PUBLISHED)
    assert [(seen.method, seen.path) for seen in receiver.seen] == [("PUT", "/hook")]


def test_a_receiver_that_hangs_is_given_up(receiver: Receiver) -> None:
    release = threading.Event()

    def hang(_seen: Seen) -> AnswerTo:
        release.wait(PATIENCE)
        return 200, {}, ""

    receiver.answer = hang
    try:
        with pytest.raises(NotDelivered, match="cannot be told"):
            Webhook(url=receiver.url, timeout=0.2).send(PUBLISHED)
    finally:
        release.set()


def test_no_error_tells_a_secret(receiver: Receiver, tmp_path: Path) -> None:
    """Where the receiver refuses, is not there, or the key is unreadable: neither path, query, login, key nor token."""
    secret = tmp_path / "key"
    secret.write_text("s3cret-key")
    broken = tmp_path / "broken"
    broken.write_text("whsec_s3cret-key!")
    receiver.answer = lambda _seen: (500, {}, "s3cret-answer")
    login = receiver.url.replace("http://", "http://user:s3cret-login@")
    hooks: list[Sink] = [
        Webhook(url=f"{login}/s3cret-path?token=s3cret-query", secret_file=secret),
        Webhook(url=f"{receiver.url}/s3cret-path", secret_file=broken),
        Webhook(url="http://127.0.0.1:1/s3cret-path"),
        Webhook(url="https://user:s3cret-login@127.0.0.1:1/s3cret-path"),
        GitHubStatus(api_url=f"{receiver.url}/x", repository="team/dags", token_file=secret),
        GitLabStatus(api_url=f"{receiver.url}/x", project="team/dags", token_file=secret),
    ]
    for hook in hooks:
        with pytest.raises(GitSyncError) as caught:
            hook.send(PUBLISHED)
        assert "127.0.0.1" in str(caught.value)
        assert "s3cret" not in str(caught.value) + repr(hook)


# -- commit status ---------------------------------------------------------------------------------------------------


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("a-token\n")
    return file


@pytest.mark.parametrize(
    ("notice", "github", "gitlab", "description"),
    [
        pytest.param(PUBLISHED, "success", "success", "published", id="published"),
        pytest.param(DEFERRED, "pending", "pending", "deferred by run etl manual__1 and 1 more", id="deferred"),
        pytest.param(REFUSED, "failure", "failed", "refused: no valid signature", id="refused"),
        pytest.param(UNDONE, "error", "failed", "taken back: no answer from worker-0", id="undone"),
    ],
)
def test_a_commit_has_its_status(
    receiver: Receiver, token: Path, notice: Notice, github: str, gitlab: str, description: str
) -> None:
    receiver.answer = lambda _seen: (201, {}, "{}")
    page = "https://gitsync.example.org/"
    GitHubStatus(api_url=receiver.url, repository="team/dags", token_file=token, target_url=page).send(notice)
    GitLabStatus(api_url=receiver.url, project="team/dags", token_file=token).send(notice)
    at_github, at_gitlab = receiver.seen
    assert (at_github.method, at_github.path) == ("POST", f"/repos/team/dags/statuses/{NEW}")
    assert at_github.headers["Authorization"] == "Bearer a-token"
    assert (at_gitlab.method, at_gitlab.path) == ("POST", f"/projects/team%2Fdags/statuses/{NEW}")
    assert {name.lower(): value for name, value in at_gitlab.headers.items()}["private-token"] == "a-token"
    assert receiver.documents == [
        {"state": github, "description": description, "context": "gitsync/dags", "target_url": page},
        {"state": gitlab, "description": description, "name": "gitsync/dags"},
    ]


def test_a_status_is_of_a_revision(token: Path) -> None:
    status = GitHubStatus(repository="team/dags", token_file=token)
    assert [status.wants(notice) for notice in (PUBLISHED, FAILED)] == [True, False]


def test_a_github_app_sets_statuses(receiver: Receiver, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    run("openssl", "genrsa", "-out", str(key), "2048")
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    receiver.answer = lambda seen: (
        201, {}, json.dumps({"token": "of-the-app", "expires_at": expires} if "access_tokens" in seen.path else {}),
    )  # fmt: skip
    app = GitHubApp(application_id=1, installation_id=2, private_key_file=key, base_url=receiver.url)
    status = GitHubStatus(api_url=receiver.url, repository="team/dags", github_app=app)
    status.send(DEFERRED)
    status.send(PUBLISHED)
    assert [seen.path.split("/")[1] for seen in receiver.seen] == ["app", "repos", "repos"]
    assert receiver.seen[-1].headers["Authorization"] == "Bearer of-the-app"


@pytest.mark.parametrize(
    ("status", "body", "delivered"),
    [
        pytest.param(201, "{}", True, id="created"),
        pytest.param(400, '{"message": "Cannot transition status via :enqueue from :pending"}', True, id="same-state"),
        pytest.param(400, '{"message": "state is invalid"}', False, id="bad-request"),
        pytest.param(404, "", False, id="unknown"),
    ],
)
def test_what_gitlab_answers(receiver: Receiver, token: Path, status: int, body: str, *, delivered: bool) -> None:
    receiver.answer = lambda _seen: (status, {}, body)
    gitlab = GitLabStatus(api_url=receiver.url, project="15", token_file=token)
    if delivered:
        gitlab.send(DEFERRED)
        return
    with pytest.raises(NotDelivered, match=f"status {status}"):
        gitlab.send(DEFERRED)


# -- options ---------------------------------------------------------------------------------------------------------


def test_options_come_from_plain_data(tmp_path: Path) -> None:
    """As a configuration file gives them."""
    options = TypeAdapter(NotifyOptions).validate_python({
        "webhooks": [{"url": "https://example.org/hook", "secret_file": "/secret", "kinds": ["published"]}],
        "github": {"repository": "team/dags", "token_file": "/token"},
        "gitlab": {"project": "team/dags", "token_file": "/token"},
        "touch_file": "/touch", "error_file": "/error",
    })  # fmt: skip
    assert [sink.label for sink in options.sinks()] == ["webhook", "github", "gitlab", "touch_file", "error_file"]
    assert [sink.wants(DEFERRED) for sink in options.sinks()] == [False, True, True, False, False]
    assert NotifyOptions().sinks() == ()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param({"webhooks": [{"url": "ftp://example.org"}]}, "url must be an address", id="scheme"),
        pytest.param({"webhooks": [{"url": "https:///x"}]}, "url must be an address", id="no-host"),
        pytest.param({"webhooks": [{"url": "https://example.org/a b"}]}, "url must be an address", id="space"),
        pytest.param({"webhooks": [{"url": "https://x", "method": "GET /"}]}, "method must be", id="method"),
        pytest.param({"webhooks": [{"url": "https://x", "timeout": 0}]}, "timeout must be", id="timeout"),
        pytest.param({"webhooks": [{"url": "https://x", "secret": "x"}]}, "secret", id="unknown-key"),
        pytest.param({"github": {"repository": "dags", "token_file": "/x"}}, "owner/name", id="repository"),
        pytest.param({"github": {"repository": "team/dags"}}, "token_file or github_app", id="github-token"),
        pytest.param({"gitlab": {"project": "team/dags"}}, "token_file", id="gitlab-token"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        TypeAdapter(NotifyOptions).validate_python(given)


# -- command and files -----------------------------------------------------------------------------------------------


def command(tmp_path: Path, script: str, timeout: float = PATIENCE) -> Command:
    (tmp_path / "trees" / NEW).mkdir(parents=True)
    return Command(command=("sh", "-c", script), trees=tmp_path / "trees", timeout=timeout)


def test_a_command_runs_in_the_tree_and_knows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITSYNC_PASSWORD", "GIT_SYNC_PASSWORD", "GITSYNC_CREDENTIAL", "GITSYNC_GITHUB_APP_PRIVATE_KEY"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("GITSYNC_PASSWORD_FILE", "/a/file")
    command(tmp_path, "pwd > ../../said; env >> ../../said").send(PUBLISHED)
    first, *environment = (tmp_path / "said").read_text().splitlines()
    assert first == str(tmp_path / "trees" / NEW)
    assert {f"GITSYNC_HASH={NEW}", f"GITSYNC_REVISION={NEW}", "GITSYNC_SOURCE=dags"} <= {*environment}
    assert "GITSYNC_PASSWORD_FILE=/a/file" in environment
    assert "s3cret" not in "".join(environment)


@pytest.mark.parametrize(
    ("script", "timeout", "why"),
    [
        pytest.param("exit 3", PATIENCE, "sh failed for bbbbbbbbbbbb with status 3", id="failed"),
        pytest.param("sleep 600", 0.2, r"sh took longer than 0.2 s", id="slow"),
    ],
)
def test_a_command_that_fails_has_not_been_told(tmp_path: Path, script: str, timeout: float, why: str) -> None:
    with pytest.raises(NotDelivered, match=why):
        command(tmp_path, script, timeout).send(PUBLISHED)


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / NEW).mkdir()
    with pytest.raises(NotDelivered, match="cannot run /missing"):
        Command(command=("/missing",), trees=tmp_path).send(PUBLISHED)


def test_a_command_that_hangs_is_killed_with_all_it_has_started(tmp_path: Path) -> None:
    with pytest.raises(NotDelivered):
        command(tmp_path, "sleep 600 & echo $! > ../../child; wait", timeout=1).send(PUBLISHED)
    child = int((tmp_path / "child").read_text())
    eventually(lambda: _is_gone(child), "the child is killed too")


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, signal.SIG_DFL)
    except ProcessLookupError:
        return True
    with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
        return file.read().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("success", [PUBLISHED, Notice(kind=Kind.RECOVERED, source="dags")])
def test_the_error_file_holds_the_last_error_until_a_success(tmp_path: Path, success: Notice) -> None:
    file = tmp_path / "notes" / "error.json"
    sink = ErrorFile(path=file)
    for notice in (REFUSED, FAILED):
        sink.send(notice)
    args = {"reason": "HostUnreachable"}
    assert json.loads(file.read_text()) == {"Msg": "sync failed", "Err": "the host does not answer", "Args": args}
    sink.send(success)
    sink.send(success)
    assert list(file.parent.iterdir()) == []


def test_the_touch_file_is_touched_after_each_publication(tmp_path: Path) -> None:
    file = tmp_path / "notes" / "touched"
    sink = TouchFile(path=file)
    assert [sink.wants(notice) for notice in (PUBLISHED, DEFERRED, FAILED)] == [True, False, False]
    sink.send(PUBLISHED)
    os.utime(file, (0, 0))
    sink.send(PUBLISHED)
    assert file.stat().st_mtime > 0


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for sink in (TouchFile(path=tmp_path / "file" / "x"), ErrorFile(path=tmp_path / "file" / "x")):
        with pytest.raises(NotDelivered, match=r"cannot write .*/file/x"):
            sink.send(FAILED)


# -- the notifier ----------------------------------------------------------------------------------------------------

QUICK = Retries(attempts=100, first=0.001, longest=0.01)


def told(notifier: Notifier, *notices: Notice) -> None:
    notifier.start()
    for notice in notices:
        notifier.tell(notice)
    assert notifier.drain(PATIENCE)


def test_the_last_state_of_each_revision_arrives(receiver: Receiver) -> None:
    """1. A receiver fails two times of three, in all ways. 2. States of 10 revisions come, three of each. 3. In the
    end it has heard the last of each, and after that nothing older."""
    failures = [(500, {}, ""), (429, {"Retry-After": "0"}, ""), (200, {}, ""), (302, {"Location": "/"}, "")]
    accepted: list[dict[str, Any]] = []
    lock = threading.Lock()

    def flaky(seen: Seen) -> AnswerTo:
        with lock:
            answer = failures[len(receiver.seen) % len(failures)]
            if answer[0] == 200:
                accepted.append(json.loads(seen.body))
            return answer

    receiver.answer = flaky
    revisions = [f"{number:040x}" for number in range(10)]
    states = [DEFERRED, UNDONE, PUBLISHED]
    notices = [replace(state, revision=revision) for state in states for revision in revisions]
    told(Notifier([Webhook(url=receiver.url)], QUICK), *notices)
    for revision in revisions:
        heard = [document["kind"] for document in accepted if document["revision"] == revision]
        assert heard[-1] == "published"
        assert heard == sorted(heard, key=["deferred", "undone", "published"].index)


def test_what_is_out_of_date_is_not_told(receiver: Receiver) -> None:
    """1. The receiver is down while a revision is deferred. 2. The revision is published. 3. The receiver is up."""
    patient = Retries(attempts=900, first=0.001, longest=0.1)  # longer than this test would wait
    down = True
    receiver.answer = lambda _seen: (503 if down else 200, {}, "")
    notifier = Notifier([Webhook(url=receiver.url)], patient)
    notifier.start()
    notifier.tell(DEFERRED)
    eventually(lambda: receiver.seen, "it is tried")
    notifier.tell(PUBLISHED)
    eventually(lambda: receiver.documents[-1]["kind"] == "published", "the newer state takes its place")
    down = False
    assert notifier.drain(PATIENCE)
    assert Counter(document["kind"] for document in receiver.documents[-2:])["deferred"] == 0


@dataclass
class Slow:
    """A sink in whose hands a notice is until it is let go."""

    label: str = "slow"
    sent: list[Notice] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def wants(self, notice: Notice) -> bool:
        return notice.kind is not Kind.FAILED

    def send(self, notice: Notice) -> None:
        self.held.set()
        assert self.let_go.wait(PATIENCE)
        self.sent.append(notice)
        if self.error is not None:
            raise self.error


@pytest.fixture
def slow() -> Iterator[Slow]:
    with ExitStack() as stack:
        slow = Slow()
        stack.callback(slow.let_go.set)
        yield slow


def outcomes(sink: str) -> dict[str, float]:
    names = ("sent", "failed", "given_up")
    found = {
        name: REGISTRY.get_sample_value("gitsync_notices_total", {"source": "dags", "sink": sink, "outcome": name})
        for name in names
    }
    return {name: value for name, value in found.items() if value}


def test_a_slow_sink_holds_nobody_up(slow: Slow, receiver: Receiver) -> None:
    notifier = Notifier([slow, Webhook(url=receiver.url)], QUICK)
    notifier.start()
    notifier.tell(DEFERRED)
    assert slow.held.wait(PATIENCE)
    notifier.tell(replace(PUBLISHED, revision=OLD))
    eventually(lambda: len(receiver.seen) == 2, "the other sink is told meanwhile")
    assert not notifier.drain(0)


def test_news_that_come_while_the_old_are_being_told_are_told_after_them(slow: Slow) -> None:
    notifier = Notifier([slow], QUICK)
    notifier.start()
    notifier.tell(DEFERRED)
    assert slow.held.wait(PATIENCE)
    notifier.tell(PUBLISHED)
    notifier.tell(FAILED)
    slow.let_go.set()
    assert notifier.drain(PATIENCE)
    assert slow.sent == [DEFERRED, PUBLISHED]


def test_what_waits_is_bounded(slow: Slow, caplog: pytest.LogCaptureFixture) -> None:
    slow.label = "bounded"
    notifier = Notifier([slow], QUICK, most=2)
    notifier.start()
    notices = [replace(PUBLISHED, revision=f"{number:040x}") for number in range(5)]
    notifier.tell(notices[0])
    assert slow.held.wait(PATIENCE)
    for notice in notices[1:]:
        notifier.tell(notice)
    slow.let_go.set()
    assert notifier.drain(PATIENCE)
    assert slow.sent == [notices[0], notices[3], notices[4]]
    assert [record.getMessage() for record in caplog.records].count("notice.given_up") == 3


def test_a_receiver_that_stays_down_is_given_up(slow: Slow, caplog: pytest.LogCaptureFixture) -> None:
    """And the next revision is tried anew."""
    slow.label, slow.error = "down", NotDelivered("it is down")
    slow.let_go.set()
    told(Notifier([slow], replace(QUICK, attempts=3)), PUBLISHED, replace(PUBLISHED, revision=OLD))
    assert [notice.revision for notice in slow.sent] == [NEW] * 3 + [OLD] * 3
    assert outcomes("down") == {"failed": 6, "given_up": 2}
    gave_up = [record for record in caplog.records if record.getMessage() == "notice.given_up"]
    assert [vars(record)["revision"] for record in gave_up] == [NEW, OLD]
    assert gave_up[0].levelno == logging.ERROR


def test_what_a_receiver_will_never_take_is_not_sent_again(receiver: Receiver) -> None:
    """A commit that is not in the repository must not keep others waiting."""
    receiver.answer = lambda seen: (422 if NEW in seen.headers["Gitsync-Hash"] else 200, {}, "")
    told(Notifier([Webhook(url=receiver.url)], QUICK), PUBLISHED, replace(PUBLISHED, revision=OLD))
    assert [seen.headers["Gitsync-Hash"] for seen in receiver.seen] == [NEW, OLD]


def test_a_defect_in_a_sink_stops_nothing_else(slow: Slow) -> None:
    slow.label, slow.error = "defect", RuntimeError("a defect")
    slow.let_go.set()
    told(Notifier([slow], QUICK), PUBLISHED, replace(PUBLISHED, revision=OLD))
    assert [notice.revision for notice in slow.sent] == [NEW, OLD]


def test_a_receiver_says_when_to_come_again(receiver: Receiver) -> None:
    """Retry-After takes the place of the wait that would be next, which is an hour here."""
    receiver.answer = lambda _seen: (429 if len(receiver.seen) == 1 else 200, {"Retry-After": "0"}, "")
    told(Notifier([Webhook(url=receiver.url)], Retries(first=3600, longest=3600)), PUBLISHED)
    assert len(receiver.seen) == 2


# -- stand-alone -----------------------------------------------------------------------------------------------------


def test_the_webhook_of_stand_alone_mode_is_signed(
    gitsync: Standalone, upstream: Upstream, receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("any text\n")
    revision = upstream.commit(dag="one")
    secret = f"--webhook-secret-file={tmp_path / 'key'}"
    result = gitsync.once(f"--webhook-url={receiver.url}", secret, "--webhook-timeout=60s")
    assert result.returncode == 0
    (seen,), (document,) = receiver.seen, receiver.documents
    assert valid(seen, b"any text")
    assert (document["kind"], document["source"], document["revision"]) == ("published", "upstream", revision)


def test_a_webhook_address_that_cannot_be_called_stops_the_start(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    result = gitsync.once("--webhook-url=ftp://example.org/s3cret")
    assert (result.returncode, gitsync.link.is_symlink()) == (1, False)
    assert result.stderr.splitlines()[-1].startswith("gitsync: --webhook-url must be an address")
    assert "s3cret" not in result.stderr
