"""The flags and variables of stand-alone mode, with git-sync's old ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from gitsync.airflow.policy import TreePolicy
from gitsync.checks.signatures import SignatureMode, Signatures
from gitsync.errors import SettingsError
from gitsync.standalone import arguments, gitconfig, values
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
        pytest.param(["--username=me\n"], {"GITSYNC_PASSWORD": "x"}, "--username has a new line", id="two-lines"),
        pytest.param(
            [], {"GITSYNC_USERNAME": "me", "GITSYNC_PASSWORD": "a\nb"}, r"\$GITSYNC_PASSWORD has a new", id="secret"
        ),
        pytest.param(["--subdirectory=../x"], {}, "--subdirectory: must be a path inside", id="outside"),
        pytest.param(["--period=1ms"], {}, "--period must be at least 10ms", id="too-short"),
        pytest.param(["--depth=-1"], {}, "depth must be", id="depth"),
        pytest.param(["--submodules=some"], {}, "--submodules: 'some' must be one of recursive", id="submodules"),
        pytest.param(["--git-gc=never"], {}, "--git-gc: 'never' must be one of auto", id="gc"),
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


def test_gits_own_variables_for_ssh_and_tls() -> None:
    command = (
        "/usr/bin/ssh -v -F /dev/null -i /k/one -i '/k/the other' -oPort=2222 -J me@jump -o 'MACs hmac-sha2-256' -4"
    )
    known = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/k/hosts -o BatchMode=yes"
    options = parsed(GIT_SSH_COMMAND=f"{command} {known}", GIT_SSL_NO_VERIFY="1")
    assert options.ssh_key_file == (Path("/k/one"), Path("/k/the other"))
    assert (options.ssh_known_hosts, options.ssh_known_hosts_file) == (False, Path("/k/hosts"))
    assert dict(options.ssh_option) == {
        "Port": "2222", "ProxyJump": "me@jump", "MACs": "hmac-sha2-256", "AddressFamily": "inet",
    }  # fmt: skip
    assert options.credentials().config == {"http.sslVerify": "false"}
    assert parsed("--ssh-key-file=/k/flag", GIT_SSH_COMMAND=command).ssh_key_file == (Path("/k/flag"),)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("sh -c ssh", "'sh'"), ("ssh -o ProxyCommand=x", "ProxyCommand"), ("ssh -F /etc/ssh/config", "-F /etc"),
        ("ssh -o StrictHostKeyChecking=ask", "StrictHostKeyChecking=ask"), ("ssh host", "'host'"),
        ("ssh 'x", "quotation"), ("ssh -R 1:x:2", "'-R'"),
    ],
)  # fmt: skip
def test_what_gitsync_does_not_give_to_ssh_is_named(command: str, named: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(named)):
        parsed(GIT_SSH_COMMAND=command)


def test_secrets_are_in_no_description() -> None:
    options = parsed("--username=u", GITSYNC_PASSWORD="hunter2")
    assert "hunter2" not in repr(options)


def test_every_flag_is_documented() -> None:
    """docs/standalone.md has a row for each flag."""
    text = (Path(__file__).parents[2] / "docs" / "standalone.md").read_text()
    documented = set(re.findall(r"`--([a-z-]+)", text))
    assert {field.name.replace("_", "-") for field in fields(Options) if not field.metadata["flagless"]} <= documented


@pytest.mark.parametrize(
    "key",
    [
        "protocol.file.allow", "init.defaultBranch", "user.email", "core.autocrlf", "gc.pruneExpire", "safe.directory",
        "submodule.fetchJobs", "sect.k1",
    ],
)  # fmt: skip
def test_configuration_without_effect_is_dropped(key: str) -> None:
    assert dict(parsed(f"--git-config={key}:x").credentials().config) == {}


def test_keys_of_sections_that_git_does_not_have_are_named() -> None:
    assert any("sect.k1" in line for line in arguments.warnings(parsed("--git-config=sect.k1:x,http.postBuffer:1")))


@pytest.mark.parametrize(
    "key",
    ["protocol.version", "http.postBuffer", "url.https://git.example.org/.insteadOf"],
)
def test_configuration_with_effect_reaches_git(key: str) -> None:
    options = parsed(f'--git-config="{key}":"1"')
    assert dict(options.credentials().config) == {key: "1"}
    assert arguments.warnings(options) == []


@pytest.mark.parametrize(
    "key",
    ["core.sshCommand", "credential.helper", "alias.fetch", "include.path", "url.ext::x.insteadOf", "hook.x.command"],
)
def test_configuration_that_starts_programs_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(key)):
        parsed(f'--git-config="{key}":"1"')


def test_gits_own_sections_are_known() -> None:
    """A key of a section that Git has may do something, so it is never dropped as nobody's."""
    listed = subprocess.run(["git", "help", "--config"], capture_output=True, text=True, check=True).stdout
    sections = {line.partition(".")[0].lower() for line in listed.splitlines() if re.match(r"\w+\.", line)}
    assert [section for section in sections if not gitconfig.SECTIONS.fullmatch(section)] == []


def test_the_policy_on_trees_and_the_signatures() -> None:
    options = parsed('--tree={"symlinks": "refuse", "refused_names": ["*.pem"], "max_files": 5}')
    assert options.tree == TreePolicy(symlinks="refuse", refused_names=("*.pem",), max_files=5)
    wanted = {"mode": "tag", "gpg_keyrings": ["/etc/a"], "ssh_allowed_signers": "/etc/b"}
    options = parsed("--tree=off", f"--signatures={json.dumps(wanted)}")
    assert options.tree is None
    assert options.signatures == Signatures(SignatureMode.TAG, (Path("/etc/a"),), Path("/etc/b"))


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--tree=on", "not JSON"),
        ("--tree=[]", "no JSON object"),
        ('--tree={"links": "refuse"}', "there is no links; use symlinks, "),
        ('--tree={"symlinks": "no"}', "symlinks must be one of"),
        ('--tree={"max_files": "5"}', "max_files must be a whole number"),
        ('--tree={"max_files": true}', "max_files must be a whole number"),
        ('--tree={"case_collisions": 1}', "case_collisions must be true or false"),
        ('--tree={"refused_names": "*.pem"}', "refused_names must be a list of texts"),
        ('--signatures={"mode": "commits"}', "mode must be one of"),
        ('--signatures={"mode": ["commit"]}', "mode must be a text"),
        ('--signatures={"mode": "commit"}', "needs gpg_keyrings or ssh_allowed_signers"),
    ],
)
def test_a_wrong_policy_is_named(flag: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"^{flag.partition('=')[0]}: .*{words}"):
        parsed(flag)


@pytest.mark.parametrize("command", [[], ["once"], ["run"]])
def test_the_help_that_a_wrong_flag_names_lists_the_flags(command: list[str]) -> None:
    wrong = subprocess.run(
        [sys.executable, "-m", "gitsync", *command, "--man"], capture_output=True, text=True, check=False
    )
    found = re.search("`gitsync (.*)` lists the flags", wrong.stderr)
    assert found, wrong.stderr
    listed = subprocess.run(
        [sys.executable, "-m", "gitsync", *found[1].split()], capture_output=True, text=True, check=True
    )
    assert "--stale-worktree-timeout" in listed.stdout
