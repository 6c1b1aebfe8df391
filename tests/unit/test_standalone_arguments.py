"""Flags, variables, and those of upstream's past."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from gitsync.errors import SettingsError
from gitsync.standalone import arguments, values
from gitsync.standalone.options import Options

NEEDED = {"GITSYNC_REPO": "https://git.example.org/team/dags.git", "GITSYNC_ROOT": "/srv/dags"}


def parsed(*argv: str, **environ: str) -> Options:
    return arguments.parse("gitsync", argv, {**NEEDED, **environ})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("10s", 10, id="seconds"),
        pytest.param("1m30s", 90, id="minutes"),
        pytest.param("1h0m0.5s", 3600.5, id="hours"),
        pytest.param("100ms", 0.1, id="milliseconds"),
        pytest.param("2us", 2e-6, id="microseconds"),
        pytest.param(".5s", 0.5, id="no-leading-digit"),
        pytest.param("-1m", -60, id="negative"),
        pytest.param("0", 0, id="bare-zero"),
        pytest.param("2.5", 2.5, id="bare-seconds"),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert values.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "10 s", "1d", "1m30", "s10", "nan", "inf"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        values.duration(text)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        pytest.param("http.postBuffer:10485760", [("http.postBuffer", "10485760")], id="plain"),
        pytest.param('a.b:"a val",a.c:another val', [("a.b", "a val"), ("a.c", "another val")], id="several"),
        pytest.param(
            '"url.https://x:1/.insteadOf":git@x:', [("url.https://x:1/.insteadOf", "git@x:")], id="quoted-key"
        ),
        pytest.param(r"a.b:x\,y,a.c:z", [("a.b", "x,y"), ("a.c", "z")], id="escaped-comma"),
        pytest.param(r'a.b:"x\ty\"z\n"', [("a.b", 'x\ty"z\n')], id="escapes"),
    ],
)
def test_git_configuration(text: str, pairs: list[tuple[str, str]]) -> None:
    assert values.git_config(text) == tuple(pairs)


@pytest.mark.parametrize("text", ["a.b", 'a.b:"x', r"a.b:\q", 'a.b:"x"y', '"a.b'])
def test_what_is_no_git_configuration(text: str) -> None:
    with pytest.raises(ValueError, match=r"value|quote|escape"):
        values.git_config(text)


@pytest.mark.parametrize(
    ("argv", "environ", "field", "value"),
    [
        pytest.param(["--period=1m30s"], {"GITSYNC_PERIOD": "5s"}, "period", 90, id="a-flag-wins-over-its-variable"),
        pytest.param([], {"GITSYNC_PERIOD": "5s"}, "period", 5, id="variable"),
        pytest.param([], {"GIT_SYNC_PERIOD": "5s"}, "period", 5, id="older-variable"),
        pytest.param([], {"GITSYNC_REF": "a", "GIT_SYNC_BRANCH": "b"}, "ref", "b", id="former-names-win-as-upstream"),
        pytest.param([], {"GIT_SYNC_BRANCH": "b", "GIT_SYNC_REV": "HEAD"}, "ref", "b", id="branch-and-rev-of-charts"),
        pytest.param([], {"GIT_SYNC_REV": "v1"}, "ref", "v1", id="rev"),
        pytest.param(["--branch=b"], {}, "ref", "b", id="former-flag"),
        pytest.param([], {"GIT_SYNC_DEST": "repo"}, "link", "repo", id="dest"),
        pytest.param([], {"GIT_SYNC_WAIT": "2.5"}, "period", 2.5, id="wait"),
        pytest.param(["--wait=0"], {}, "period", 10, id="wait-of-nothing"),
        pytest.param(["--timeout=7"], {}, "sync_timeout", 7, id="timeout"),
        pytest.param([], {"GIT_SYNC_MAX_SYNC_FAILURES": "3"}, "max_failures", 3, id="max-sync-failures"),
        pytest.param([], {"GIT_SYNC_HOOK_COMMAND": "/h"}, "exechook_command", "/h", id="sync-hook-command"),
        pytest.param(["--one-time"], {}, "one_time", True, id="bare-boolean"),
        pytest.param(["--one-time=false"], {"GITSYNC_ONE_TIME": "1"}, "one_time", False, id="boolean-with-value"),
        pytest.param([], {"GIT_KNOWN_HOSTS": "false"}, "ssh_known_hosts", False, id="oldest-variable"),
        pytest.param([], {"GITSYNC_ONE_TIME": ""}, "one_time", False, id="empty-variable"),
        pytest.param(["-v", "6"], {}, "verbose", 6, id="short"),
        pytest.param(["--v=6"], {}, "verbose", 6, id="glog's-v"),
        pytest.param(["--ssh"], {}, "ref", "HEAD", id="ssh-means-nothing"),
        pytest.param(["--sync-on-signal=HUP"], {}, "sync_on_signal", 1, id="signal"),
        pytest.param(["--sync-on-signal=0x1"], {}, "sync_on_signal", 1, id="signal-number"),
        pytest.param([], {"GITSYNC_SSH_KEY_FILE": "/a:/b"}, "ssh_key_file", (Path("/a"), Path("/b")), id="path-list"),
        pytest.param(["--ssh-key-file=/a", "--ssh-key-file=/b"], {"GITSYNC_SSH_KEY_FILE": "/c"}, "ssh_key_file",
                     (Path("/a"), Path("/b")), id="repeated-flag"),
        pytest.param(["--git-config-add=gc.auto:0", "--git-config-add=http.version:x"], {}, "git_config_add",
                     (("gc.auto", "0"), ("http.version", "x")), id="repeated-configuration"),
        pytest.param([], {"GIT_SYNC_PASSWORD": "p", "GITSYNC_USERNAME": "u"}, "password", "p", id="password"),
    ],
)  # fmt: skip
def test_where_a_value_comes_from(argv: list[str], environ: dict[str, str], field: str, value: object) -> None:
    assert getattr(parsed(*argv, **environ), field) == value


@pytest.mark.parametrize(
    ("argv", "environ", "named"),
    [
        pytest.param([], {"GITSYNC_PERIOD": "soon"}, r"\$GITSYNC_PERIOD: 'soon'", id="variable"),
        pytest.param(["--period=soon"], {}, "--period: 'soon'", id="flag"),
        pytest.param(["--period=1ms"], {}, "--period must be at least 10ms", id="too-short"),
        pytest.param(["--depth=-1"], {}, "depth must be", id="depth"),
        pytest.param(["--submodules=some"], {}, "submodules must be one of", id="submodules"),
        pytest.param(["--git-gc=never"], {}, "gc must be one of", id="gc"),
        pytest.param(["--change-permissions=0755"], {}, "--change-permissions.*--group-write", id="change-permissions"),
        pytest.param([], {"GIT_SYNC_PERMISSIONS": "0755"}, "GIT_SYNC_PERMISSIONS", id="permissions"),
        pytest.param(["--branch=a", "--rev=b"], {}, "--branch and --rev", id="branch-and-rev"),
        pytest.param(["--username=u"], {}, "--username needs", id="username-alone"),
        pytest.param(["--password-file=/p"], {"GITSYNC_PASSWORD": "p"}, "not both", id="two-passwords"),
        pytest.param(["--http-metrics"], {}, "needs --http-bind", id="metrics-without-address"),
        pytest.param(["--exechook-command=/h", "--exechook-timeout=1ms"], {}, "--exechook-timeout", id="hook-timeout"),
        pytest.param(["--link=revisions/x"], {}, "--link must not", id="link-among-trees"),
        pytest.param(["--sync-on-signal=SIGNOTHING"], {}, "SIGNOTHING", id="signal"),
        pytest.param(["--sync-on-signal=TERM"], {}, "--sync-on-signal must be", id="signal-that-ends-it"),
        pytest.param(["--git-config=alias.x:y"], {}, "alias.x", id="configuration-that-starts-programs"),
        pytest.param(["--credential={}"], {}, "--credential: a credential needs url", id="empty-credential"),
        pytest.param(["--credential=x"], {}, "--credential: this is not JSON", id="no-credential"),
        pytest.param(["--github-app-client-id=x"], {}, "private_key", id="half-an-app"),
        pytest.param(["--filter=sparse:oid=1"], {}, "filter must be", id="filter"),
        pytest.param(["--git=/no/such/git"], {}, "--git=/no/such/git", id="git"),
        pytest.param(["--repo="], {"GITSYNC_REPO": ""}, "--repo is required", id="no-repository"),
    ],
)
def test_what_is_wrong_is_named(argv: list[str], environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        parsed(*argv, **environ)


def test_secrets_are_in_no_description() -> None:
    options = parsed("--username=u", GITSYNC_PASSWORD="hunter2")
    assert "hunter2" not in repr(options)


def test_every_flag_is_documented() -> None:
    """docs/git-sync.md has a row for each flag."""
    text = (Path(__file__).parents[2] / "docs" / "git-sync.md").read_text()
    documented = set(re.findall(r"`--([a-z-]+)", text))
    assert {field.name.replace("_", "-") for field in fields(Options) if not field.metadata["flagless"]} <= documented
