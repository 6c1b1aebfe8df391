"""The main program of `gitsync once`, of `gitsync run`, and of `gitsync` with git-sync's flags."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gitsync.child import end_at
from gitsync.errors import GitSyncError, NotDelivered, Refused, SettingsError
from gitsync.git.command import use_program
from gitsync.log import configure, redacted
from gitsync.notify.command import Command
from gitsync.notify.files import ErrorFile, TouchFile
from gitsync.notify.notice import Kind, Notice
from gitsync.notify.webhook import Webhook
from gitsync.standalone import arguments, scratch
from gitsync.standalone.hooks import Hook
from gitsync.standalone.loop import Loop
from gitsync.standalone.notes import Notes
from gitsync.standalone.state import State
from gitsync.standalone.sync import Sync
from gitsync.standalone.user import add_user

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitsync.notify.notice import Sink
    from gitsync.standalone.options import Options

log = logging.getLogger(__name__)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Run until SIGTERM, or sync once and return the commit id. Raises GitSyncError."""
    try:
        options = _options(argv, environ)
        sync, loop = _set_up(options, argv, environ)
    except GitSyncError as error:
        _tell_of_start(error, argv, environ)
        raise
    with sync.store.owned():
        scratch.provide(options.root)
        log.info("started", extra={"repo": redacted(options.repo), "ref": options.ref, "root": options.root})
        return loop.once() if options.one_time else loop.run()


def _set_up(options: Options, argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Sync, Loop]:
    quiet = "WARNING" if argv[:1] == ["once"] else "INFO"
    configure("DEBUG" if options.verbose else environ.get("GITSYNC_LOG_LEVEL", quiet))
    for line in arguments.warnings(options):
        log.warning("not supported", extra={"what": line})
    # SystemExit may come at any step, which is safe: each step survives a crash, and Git's processes are killed.
    end_at(signal.SIGTERM)
    _prepare(options)
    sync = Sync(options, options.credentials(), partial(_gate, options))
    return sync, _assembled(options, sync)


def _options(argv: Sequence[str], environ: Mapping[str, str]) -> Options:
    match argv[:1]:
        case ["once"]:
            return arguments.parse("gitsync once", argv[1:], environ, one_time=True)
        case ["run"]:
            return arguments.parse("gitsync run", argv[1:], environ)
    # git-sync's defaults, where those of `once` and `run` differ.
    theirs = {"max_failures": 0, "stale_worktree_timeout": 0.0, "writable_trees": True, "tree": None}
    options = arguments.parse("gitsync", argv, environ, **theirs)
    return options if options.link else replace(options, link=arguments.leaf(options.repo))


def _tell_of_start(error: GitSyncError, argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Write the error to ``--error-file``, if the place can be told although something else is wrong."""
    if path := arguments.error_file(argv, environ):
        Notes("", None, ErrorFile(path=path)).failed(error)


def _prepare(options: Options) -> None:
    """Apply the options that change this process: the umask, Git's program, the user's name."""
    if options.group_write:
        os.umask(0o002)
    use_program(options.git)
    if options.add_user:
        add_user(options.root)


def _assembled(options: Options, sync: Sync) -> Loop:
    state = State(unremoved=lambda: sync.store.unremoved)
    hooks = _hooks(options, sync)
    _serve(options, state, hooks)
    return Loop(options, sync, _notes(options), hooks, state)


def _notes(options: Options) -> Notes:
    touch, error = options.touch_file, options.error_file
    return Notes(
        arguments.leaf(options.repo),
        TouchFile(path=options.below_root(touch)) if touch else None,
        ErrorFile(path=options.below_root(error)) if error else None,
    )


def _gate(options: Options, revision: str, tree: Path) -> None:
    """Run the pre-publish hook on a staged tree. Raises Refused if it fails."""
    if not options.pre_publish_exechook_command:
        return
    hook = (options.pre_publish_exechook_command,)
    command = Command(command=hook, trees=tree.parent, timeout=options.pre_publish_exechook_timeout)
    try:
        command.run(revision, arguments.leaf(options.repo))
    except NotDelivered as error:
        raise Refused("HookRefused", str(error)) from error


def _hooks(options: Options, sync: Sync) -> list[Hook]:
    hooks = []
    if options.exechook_command:
        hook = (options.exechook_command,)
        command = Command(command=hook, trees=sync.store.revisions, timeout=options.exechook_timeout)
        hooks.append(Hook("exechook", partial(_tell, options, command), options.exechook_backoff))
    if options.webhook_url:
        hooks.append(Hook("webhook", partial(_tell, options, _webhook(options)), options.webhook_backoff))
    return hooks


def _webhook(options: Options) -> Webhook:
    try:
        return Webhook(
            url=options.webhook_url, method=options.webhook_method, timeout=options.webhook_timeout,
            success_status=options.webhook_success_status, secret_file=options.webhook_secret_file,
        )  # fmt: skip
    except ValueError as error:
        raise SettingsError(f"--webhook-{error}") from error


def _tell(options: Options, sink: Sink, revision: str) -> None:
    sink.send(Notice(kind=Kind.PUBLISHED, source=arguments.leaf(options.repo), revision=revision))


def _serve(options: Options, state: State, hooks: Sequence[Hook]) -> None:
    if not options.http_bind:
        return
    from gitsync.standalone.probes import Probes  # noqa: PLC0415 - few ask for probes, and the server costs memory

    metrics = None
    if options.http_metrics and importlib.util.find_spec("prometheus_client"):
        metrics = partial(_exposition, state, hooks)
    elif options.http_metrics:
        log.warning("not supported", extra={"what": "--http-metrics needs the package prometheus_client"})
    longest = max(options.period, options.init_period, options.max_backoff) * (1 + options.jitter)
    patience = longest + 2 * options.sync_timeout + options.pre_publish_exechook_timeout + 60
    Probes(options.http_bind, state, patience=patience, metrics=metrics).start()


def _exposition(state: State, hooks: Sequence[Hook]) -> bytes:
    from gitsync.standalone.exposition import exposition  # noqa: PLC0415 - loaded when Prometheus first asks

    return exposition(state, hooks)
