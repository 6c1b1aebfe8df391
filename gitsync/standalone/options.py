"""What a stand-alone gitsync can be told: one field is one flag and one environment variable.

``stale_worktree_timeout`` is ``--stale-worktree-timeout`` and ``GITSYNC_STALE_WORKTREE_TIMEOUT``. Names, meanings and
defaults are upstream git-sync 4.7's; where ours differ on purpose, docs/git-sync.md says so.
"""

from __future__ import annotations

import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsync.git.access import UrlAccess
from gitsync.git.askpass import Askpass
from gitsync.git.clone import Clone
from gitsync.git.credentials import Credentials
from gitsync.git.github_app import GitHubApp
from gitsync.standalone import values
from gitsync.standalone.values import boolean, duration, integer, paths, signal_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECRETS = Path("/etc/git-secret")
"""Where charts mount the Secret with SSH keys and cookies."""
SHORTEST_PERIOD = 0.01


def flag(
    parse: Callable[[str], object],
    default: object,
    help: str,  # noqa: A002 - argparse's own name for it
    *,
    older: tuple[str, ...] = (),
    flagless: bool = False,
) -> Any:  # noqa: ANN401 - what a field is declared to be is its type
    """A field with how its text is read. ``older`` are further variables, ``flagless`` ones are variables only."""
    return field(default=default, metadata={"parse": parse, "help": help, "older": older, "flagless": flagless})


@dataclass(frozen=True, kw_only=True, repr=False)  # a description of it would hold passwords
class Options:
    repo: str = flag(str, "", "https, ssh, http, git or a path (required)")
    ref: str = flag(str, "HEAD", "branch, tag or full commit id")
    root: Path = flag(Path, None, "where the trees are kept (required)")
    link: str = flag(str, "", "a further link to the current tree; relative to --root, or absolute")
    subdirectory: str = flag(str, "", "refuse a revision that lacks this directory")

    depth: int = flag(integer, 1, "commits of history to fetch; 0: all of it")
    filter: str = flag(str, "", "partial clone, such as blob:none or tree:0")
    submodules: str = flag(str, "recursive", "recursive, shallow or off")
    sparse_checkout_file: Path | None = flag(Path, None, "file with the patterns of a sparse checkout")
    git: str = flag(str, "git", "the git command; a path must end in /git")
    git_config: tuple[tuple[str, str], ...] = flag(values.git_config, (), 'for fetches: key:value,"quoted.key":"value"')
    git_config_add: tuple[tuple[str, str], ...] = flag(values.git_config, (), "more of it; may be repeated")
    git_gc: str = flag(str, "auto", "collect garbage after trees were removed: auto, always, aggressive or off")

    period: float = flag(duration, 10.0, "time between looks at the remote")
    init_period: float = flag(duration, 0.0, "the same until the first success; 0: like --period")
    jitter: float = flag(float, 0.1, "each wait is up to this share longer, so that pods spread out")
    max_backoff: float = flag(duration, 60.0, "longest wait after errors; it doubles with each")
    sync_timeout: float = flag(duration, 120.0, "time that one sync may take")
    max_failures: int = flag(integer, -1, "end after more consecutive failures than this; negative: never")
    init_max_failures: int | None = flag(integer, None, "the same until the first success")
    one_time: bool = flag(boolean, False, "sync once, wait for the hooks, end")
    sync_on_signal: int = flag(signal_number, signal_number("HUP"), "signal that ends the wait")

    stale_worktree_timeout: float = flag(duration, 300.0, "how long a tree stays that is no longer current")
    group_write: bool = flag(boolean, False, "let the group write whatever is written")
    add_user: bool = flag(boolean, False, "give this process's uid a name in /etc/passwd; ssh wants one")

    username: str = flag(str, "", "for https; with --password-file")
    password: str = flag(str, "", "password or token for https", flagless=True)
    password_file: Path | None = flag(Path, None, "file with it, read again at each sync")
    credential: tuple[Mapping[str, Any], ...] = flag(
        values.credentials, (), "JSON with url, username, password or password-file; may be repeated"
    )
    ssh_key_file: tuple[Path, ...] = flag(
        paths, (SECRETS / "ssh",), "private key; may be repeated", older=("GIT_SSH_KEY_FILE",)
    )
    ssh_known_hosts: bool = flag(
        boolean, True, "trust only known hosts", older=("GIT_SYNC_KNOWN_HOSTS", "GIT_KNOWN_HOSTS")
    )
    ssh_known_hosts_file: Path = flag(Path, SECRETS / "known_hosts", "their keys", older=("GIT_SSH_KNOWN_HOSTS_FILE",))
    cookie_file: bool = flag(boolean, False, f"use the cookies in {SECRETS}/cookie_file", older=("GIT_COOKIE_FILE",))
    askpass_url: str = flag(str, "", "URL that answers username= and password=", older=("GIT_ASKPASS_URL",))
    github_base_url: str = flag(str, "https://api.github.com/", "GitHub's API, for a GitHub App")
    github_app_private_key: str = flag(str, "", "the App's private key", flagless=True)
    github_app_private_key_file: Path | None = flag(Path, None, "file with the App's private key")
    github_app_client_id: str = flag(str, "", "client id of the App")
    github_app_application_id: int = flag(integer, 0, "or its application id")
    github_app_installation_id: int = flag(integer, 0, "installation of the App")

    touch_file: str = flag(str, "", "touched after each publication; relative to --root, or absolute")
    error_file: str = flag(str, "", "holds the last error as JSON while there is one; relative to --root, or absolute")
    exechook_command: str = flag(str, "", "run after each publication, until it succeeds")
    exechook_timeout: float = flag(duration, 30.0, "time that it may take")
    exechook_backoff: float = flag(duration, 3.0, "wait before it is tried again")
    pre_publish_exechook_command: str = flag(str, "", "run before a publication, which it refuses by failing")
    pre_publish_exechook_timeout: float = flag(duration, 30.0, "time that it may take")
    pre_publish_exechook_backoff: float = flag(duration, 3.0, "shortest wait before it is tried again")
    webhook_url: str = flag(str, "", "called after each publication, until it succeeds")
    webhook_method: str = flag(str, "POST", "the method of that call")
    webhook_success_status: int = flag(integer, 200, "status that is a success; 0: any")
    webhook_timeout: float = flag(duration, 1.0, "time that the call may take")
    webhook_backoff: float = flag(duration, 3.0, "wait before it is tried again")
    webhook_secret_file: Path | None = flag(Path, None, "key that signs the call")

    http_bind: str = flag(str, "", "address and port of /livez, /readyz and /, such as :8080")
    http_metrics: bool = flag(boolean, False, "serve /metrics there")
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
        if self.git != "git" and (Path(self.git).name != "git" or not shutil.which(self.git)):
            raise ValueError(f"--git={self.git} must be the path of a program called git")

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

    def _check_layout(self) -> None:
        # The store would take what lies there for a revision of its own.
        if self.link and (self.root / "revisions") in (place := self.below_root(self.link), *place.parents):
            raise ValueError("--link must not be inside `revisions` below --root")

    def below_root(self, path: str) -> Path:
        """``path`` as given if it is absolute, else below the root."""
        return self.root / path

    def clone(self) -> Clone:
        """What of the repository is fetched. Raises ValueError."""
        return Clone(
            depth=self.depth, filter=self.filter, sparse_file=self.sparse_checkout_file, submodules=self.submodules,
            gc=self.git_gc,
        )  # fmt: skip

    def credentials(self) -> Credentials:
        """How to be let in. Raises ValueError."""
        known = self.ssh_known_hosts_file
        return Credentials(
            username=self.username,
            password=self.password,
            password_file=self.password_file,
            askpass=Askpass(url=self.askpass_url) if self.askpass_url else None,
            github_app=self._github_app(),
            # Charts mount them where they have any: what upstream looks for unasked may be missing.
            ssh_key_files=tuple(key for key in self.ssh_key_file if key != SECRETS / "ssh" or key.exists()),
            known_hosts_files=(known,) if known != SECRETS / "known_hosts" or known.exists() else (),
            strict_host_key=self.ssh_known_hosts,
            urls=tuple(UrlAccess(**fields) for fields in self.credential),
            cookie_file=SECRETS / "cookie_file" if self.cookie_file else None,
            config=dict((*self.git_config, *self.git_config_add)),
        )

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
