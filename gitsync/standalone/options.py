"""The options of stand-alone mode. Each field is a flag and an environment variable.

``stale_worktree_timeout`` is ``--stale-worktree-timeout`` and ``GITSYNC_STALE_WORKTREE_TIMEOUT``. Names, meanings and
defaults are those of git-sync 4.7. docs/standalone.md lists the intended differences.
"""

from __future__ import annotations

import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsync.access.askpass import Askpass
from gitsync.access.credentials import Credentials
from gitsync.access.github_app import GitHubApp
from gitsync.access.login import UrlAccess
from gitsync.airflow.policy import TreePolicy
from gitsync.checks.signatures import Signatures
from gitsync.git import trust
from gitsync.git.clone import Clone, Submodules, Tidying, folder
from gitsync.standalone import admission, gitconfig, values
from gitsync.standalone.values import boolean, duration, integer, paths, signal_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECRETS = Path("/etc/git-secret")
"""The directory at which charts mount the Secret with SSH keys and cookies."""
SHORTEST_PERIOD = 0.01


def flag(
    parse: Callable[[str], object],
    default: object,
    help: str,  # noqa: A002 - argparse's own name for it
    *,
    older: tuple[str, ...] = (),
    flagless: bool = False,
) -> Any:  # noqa: ANN401 - the field's annotation is its type
    """A field whose text ``parse`` reads. ``older`` are further variables; ``flagless``: there is only a variable."""
    return field(default=default, metadata={"parse": parse, "help": help, "older": older, "flagless": flagless})


@dataclass(frozen=True, kw_only=True, repr=False)  # its repr would show passwords
class Options:
    repo: str = flag(str, "", "https, ssh, http, git or a path (required)")
    ref: str = flag(str, "HEAD", "branch, tag or full commit id")
    root: Path = flag(Path, None, "the directory for the trees (required)")
    link: str = flag(str, "", "a further link to the current tree; relative to --root, or absolute")
    subdirectory: str = flag(folder, "", "refuse a revision that lacks this directory")
    tree: TreePolicy | None = flag(
        admission.tree_policy, TreePolicy(), 'the files that a revision may have: {"symlinks": "refuse"}, or off'
    )
    signatures: Signatures = flag(
        admission.signatures, Signatures(), 'whose signature is needed: {"mode": "commit", "ssh_allowed_signers": FILE}'
    )

    depth: int = flag(integer, 1, "commits of history to fetch; 0: all of it")
    filter: str = flag(str, "", "partial clone, such as blob:none or tree:0")
    submodules: Submodules = flag(values.one_of(Submodules), Submodules.RECURSIVE, "recursive, shallow or off")
    submodules_within: tuple[str, ...] = flag(values.words, (), "addresses below which submodules must be; commas")
    sparse_checkout_file: Path | None = flag(Path, None, "file with the patterns of a sparse checkout")
    git: str = flag(str, "git", "the git command")
    git_config: tuple[tuple[str, str], ...] = flag(values.git_config, (), 'for fetches: key:value,"quoted.key":"value"')
    git_config_add: tuple[tuple[str, str], ...] = flag(values.git_config, (), "more such pairs; may be repeated")
    git_gc: Tidying = flag(
        values.one_of(Tidying),
        Tidying.ALWAYS,
        "collect garbage after each publication: auto, always, aggressive or off",
    )

    period: float = flag(duration, 10.0, "time between looks at the remote")
    init_period: float = flag(duration, 0.0, "time between looks until the first success; 0: like --period")
    jitter: float = flag(float, 0.1, "lengthen each wait by a random share up to this, so that pods spread out")
    max_backoff: float = flag(duration, 60.0, "longest wait after errors; it doubles with each")
    sync_timeout: float = flag(duration, 120.0, "longest time of one sync")
    max_failures: int = flag(integer, -1, "end after more consecutive failures than this; negative: never")
    init_max_failures: int | None = flag(integer, None, "--max-failures until the first success")
    one_time: bool = flag(boolean, False, "sync once, wait for the hooks, end")
    sync_on_signal: int = flag(signal_number, signal_number("HUP"), "signal that ends the wait")

    stale_worktree_timeout: float = flag(duration, 300.0, "time until a tree that is no longer current is removed")
    group_write: bool = flag(boolean, False, "let the group write to all files")
    writable_trees: bool = flag(boolean, False, "let hook commands write in trees, which then share no files")
    add_user: bool = flag(boolean, False, "give this process's uid a name, which ssh needs")

    username: str = flag(str, "", "user name for https; with --password-file")
    password: str = flag(str, "", "password or token for https", flagless=True)
    password_file: Path | None = flag(Path, None, "file with the password, read at each sync")
    credential: tuple[Mapping[str, Any], ...] = flag(
        values.credentials, (), "JSON with url, username, password or password-file; may be repeated"
    )
    ssh_key_file: tuple[Path, ...] = flag(
        paths, (SECRETS / "ssh",), "private key; may be repeated", older=("GIT_SSH_KEY_FILE",)
    )
    ssh_known_hosts: bool = flag(
        boolean, True, "trust only known hosts", older=("GIT_SYNC_KNOWN_HOSTS", "GIT_KNOWN_HOSTS")
    )
    ssh_known_hosts_file: Path = flag(
        Path, SECRETS / "known_hosts", "file with the known hosts' keys", older=("GIT_SSH_KNOWN_HOSTS_FILE",)
    )
    ssh_option: tuple[tuple[str, str], ...] = flag(
        values.ssh_option, (), "NAME=VALUE for ssh, such as HostKeyAlgorithms=+ssh-rsa; may be repeated"
    )
    cookie_file: bool = flag(boolean, False, f"use the cookies in {SECRETS}/cookie_file", older=("GIT_COOKIE_FILE",))
    askpass_url: str = flag(str, "", "URL that answers username= and password=", older=("GIT_ASKPASS_URL",))
    github_base_url: str = flag(str, "https://api.github.com/", "GitHub's API, for a GitHub App")
    github_app_private_key: str = flag(str, "", "the App's private key", flagless=True)
    github_app_private_key_file: Path | None = flag(Path, None, "file with the App's private key")
    github_app_client_id: str = flag(str, "", "client id of the App")
    github_app_application_id: int = flag(integer, 0, "application id of the App, in place of the client id")
    github_app_installation_id: int = flag(integer, 0, "installation id of the App")

    touch_file: str = flag(str, "", "file to touch after each publication; relative to --root, or absolute")
    error_file: str = flag(str, "", "has the last error as JSON until a success; relative to --root, or absolute")
    exechook_command: str = flag(str, "", "command to run after each publication, until it succeeds")
    exechook_timeout: float = flag(duration, 30.0, "longest time of the command")
    exechook_backoff: float = flag(duration, 3.0, "wait before the command is run again")
    pre_publish_exechook_command: str = flag(str, "", "run before a publication; a failure forbids it")
    pre_publish_exechook_timeout: float = flag(duration, 30.0, "longest time of that command")
    pre_publish_exechook_backoff: float = flag(duration, 3.0, "shortest wait before that command is run again")
    webhook_url: str = flag(str, "", "URL to call after each publication, until the call succeeds")
    webhook_method: str = flag(str, "POST", "HTTP method of that call")
    webhook_success_status: int = flag(values.success_status, 200, "status that is a success; 0 or -1: any")
    webhook_timeout: float = flag(duration, 1.0, "longest time of the call")
    webhook_backoff: float = flag(duration, 3.0, "wait before the call is tried again")
    webhook_secret_file: Path | None = flag(Path, None, "key that signs the call")

    http_bind: str = flag(str, "", "address and port of /livez, /readyz and /, such as :8080")
    http_metrics: bool = flag(boolean, False, "serve /metrics at --http-bind")
    http_pprof: bool = flag(boolean, False, "not supported")
    verbose: int = flag(integer, 0, "above 0: log more")

    def __post_init__(self) -> None:
        for name in ("repo", "ref", "root"):
            if not getattr(self, name):
                raise ValueError(f"--{name} is required; give it or set GITSYNC_{name.upper()}")
        object.__setattr__(self, "root", self.root.resolve())
        self._check_pace()
        self._check_hooks()
        self._check_credentials()
        self._check_layout()
        self.clone()
        self.credentials()
        if self.http_metrics and not self.http_bind:
            raise ValueError("--http-metrics needs --http-bind")
        if self.git != "git" and not shutil.which(self.git):
            raise ValueError(f"--git={self.git} is no program that can be run")

    def _check_pace(self) -> None:
        for name, seconds in (("--period", self.period), ("--sync-timeout", self.sync_timeout)):
            if seconds < SHORTEST_PERIOD:
                raise ValueError(f"{name} must be at least 10ms")
        if self.init_period and self.init_period < SHORTEST_PERIOD:
            raise ValueError("--init-period must be at least 10ms")
        if self.sync_on_signal in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
            raise ValueError("--sync-on-signal must be one that can be caught and does not end gitsync")
        if self.jitter < 0 or self.stale_worktree_timeout < 0:
            raise ValueError("--jitter and --stale-worktree-timeout must not be negative")

    def _check_hooks(self) -> None:
        for hook, used in (
            ("exechook", self.exechook_command),
            ("pre_publish_exechook", self.pre_publish_exechook_command),
            ("webhook", self.webhook_url),
        ):
            for setting in ("timeout", "backoff"):
                if used and getattr(self, f"{hook}_{setting}") < 1:
                    raise ValueError(f"--{hook.replace('_', '-')}-{setting} must be at least 1s")

    def _check_credentials(self) -> None:
        if self.password and self.password_file:
            raise ValueError("give --password-file or $GITSYNC_PASSWORD, not both")
        if self.username and not (self.password or self.password_file):
            raise ValueError("--username needs --password-file or $GITSYNC_PASSWORD")

        for name, value in (("--username", self.username), ("$GITSYNC_PASSWORD", self.password.rstrip("\r\n"))):
            if not value.isprintable():
                raise ValueError(f"{name} has a new line or another invisible character; remove it")

    def _check_layout(self) -> None:
        # The store would take the link for a revision.
        if self.link and (self.root / "revisions") in (place := self.below_root(self.link), *place.parents):
            raise ValueError("--link must not be inside `revisions` below --root")

    def below_root(self, path: str) -> Path:
        """``path``; a relative one is below the root."""
        return self.root / path

    def clone(self) -> Clone:
        """The settings for the extent of a fetch. Raises ValueError."""
        try:
            return Clone(
                depth=self.depth, filter=self.filter, sparse_file=self.sparse_checkout_file, submodules=self.submodules,
                submodules_within=self.submodules_within, gc=self.git_gc,
            )  # fmt: skip
        except ValueError as error:
            raise ValueError(f"--{error}") from None  # its message begins with the field, which is a flag here

    def credentials(self) -> Credentials:
        """The credentials. Raises ValueError."""
        known = self.ssh_known_hosts_file
        return Credentials(
            username=self.username,
            password=self.password,
            password_file=self.password_file,
            askpass=Askpass(url=self.askpass_url) if self.askpass_url else None,
            github_app=self._github_app(),
            # Files at git-sync's default places may be missing; files that a flag names must exist.
            ssh_key_files=tuple(key for key in self.ssh_key_file if key != SECRETS / "ssh" or key.exists()),
            known_hosts_files=(known,) if known != SECRETS / "known_hosts" or known.exists() else (),
            strict_host_key=self.ssh_known_hosts,
            ssh_options=dict(self.ssh_option),
            urls=tuple(UrlAccess(**fields) for fields in self.credential),
            cookie_file=SECRETS / "cookie_file" if self.cookie_file else None,
            config=dict(gitconfig.effective(self.config)),
        )

    @property
    def hooks_write(self) -> bool:
        """Whether there are commands that may write in trees."""
        return self.writable_trees and bool(self.exechook_command or self.pre_publish_exechook_command)

    @property
    def trusted(self) -> tuple[str, ...]:
        """Local repositories of other owners that may be fetched from, as in Git's ``safe.directory``."""
        return tuple(value for key, value in self.config if key.lower() == trust.KEY)

    @property
    def config(self) -> gitconfig.Pairs:
        """All pairs of ``--git-config`` and ``--git-config-add``."""
        return (*self.git_config, *self.git_config_add)

    def _github_app(self) -> GitHubApp | None:
        if not (self.github_app_application_id or self.github_app_client_id):
            return None
        return GitHubApp(
            application_id=self.github_app_application_id or None,
            client_id=self.github_app_client_id or None,
            installation_id=self.github_app_installation_id,
            private_key_file=self.github_app_private_key_file,
            private_key=self.github_app_private_key,
            base_url=self.github_base_url,
        )
