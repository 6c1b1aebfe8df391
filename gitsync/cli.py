"""The command line. Each command imports only the modules that it needs, so that sidecars stay small."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from gitsync import __version__
from gitsync.airflow.gate import check
from gitsync.airflow.plain import printable
from gitsync.errors import GitSyncError, SettingsError
from gitsync.log import configure
from gitsync.operator import commands as operators
from gitsync.replay import command as replay

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOKENS = Path("/etc/gitsync/tokens")


def main() -> None:
    """Run one command. An error that a person can cure ends it with exit status 1 and one line on stderr."""
    threading.excepthook = _end_with_thread
    os.umask(0o022)  # Airflow reads the trees as another user, so an inherited umask must not hide them
    try:
        if _stands_alone(sys.argv[1:], os.environ):
            _standalone(sys.argv[1:])
        else:
            arguments = _parser().parse_args()
            configure(os.environ.get("GITSYNC_LOG_LEVEL", "INFO"))
            arguments.run(arguments)
    except GitSyncError as error:
        logging.getLogger(__name__).debug("failed", exc_info=error)
        sys.exit(f"gitsync: {printable(str(error))}")


def _end_with_thread(died: threading.ExceptHookArgs) -> None:
    """End the process with any of its threads, so that Kubernetes restarts it. Otherwise it would only look alive."""
    name = died.thread.name if died.thread else "unknown"
    try:
        error = died.exc_value or died.exc_type()
        logging.getLogger(__name__).critical("thread.died", extra={"died": name}, exc_info=error)
    finally:  # also if the line cannot be written
        if not type(died.thread).__module__.startswith("watchdog."):  # not needed: each look finds changed files, too
            os._exit(1)


def _stands_alone(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether the command is `once`, `run`, or none: upstream git-sync has no commands, only flags and variables."""
    if not argv:
        return bool(environ.get("GITSYNC_REPO") or environ.get("GIT_SYNC_REPO"))
    return argv[0] in ("once", "run") or (argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version"))


def _standalone(argv: Sequence[str]) -> None:
    from gitsync.standalone import main as standalone  # noqa: PLC0415 - only this command needs it

    print(standalone.main(argv, os.environ))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gitsync", description=__import__("gitsync").__doc__)
    parser.add_argument("--version", action="version", version=f"gitsync {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_controller(commands.add_parser("controller", help="fetch, decide and publish; for the cluster"))
    _add_sidecar(commands.add_parser("sidecar", help="keep the trees of one pod as the controller says"))
    _add_stage(commands.add_parser("stage", help="write one revision to a volume and end; for a pod without a sidecar"))
    operators.add(commands, TOKENS / "operator")
    # Only for --help: these two parse their own arguments.
    commands.add_parser("once", help="publish a ref's commit into a directory and end; needs no cluster")
    commands.add_parser("run", help="follow a ref in a directory; the same as git-sync's flags without a command")
    check.add_arguments(commands.add_parser("check", help=check.HELP))
    replay.add_arguments(commands.add_parser("impact", help=replay.HELP))
    return parser


def _add_controller(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the configuration file")
    parser.add_argument("--root", type=Path, default=Path("/var/lib/gitsync"), help="the volume for mirrors")
    parser.add_argument("--tokens", type=Path, default=TOKENS, help="directory with the files member and operator")
    parser.add_argument(
        "--gate", metavar="NAME", default="gate", help="the gate's socket in the pod's network namespace"
    )
    parser.add_argument("--port", type=int, default=8080, help="for members, operators, webhooks and metrics")
    parser.set_defaults(run=_controller)


def _controller(arguments: argparse.Namespace) -> None:
    from gitsync import assembly as build  # noqa: PLC0415 - only this command needs it
    from gitsync import settings  # noqa: PLC0415 - only this command needs it
    from gitsync.controller.kube import Identity  # noqa: PLC0415 - only this command needs it
    from gitsync.server.surface import Tokens  # noqa: PLC0415 - only this command needs it

    tokens = Tokens(member=arguments.tokens / "member", operator=arguments.tokens / "operator")
    loaded = settings.load(arguments.config)
    controller = build.controller(loaded, Identity.from_environment(), arguments.root, arguments.gate)
    build.server(controller, tokens, arguments.port).start()
    controller.run()


def _add_member(parser: argparse.ArgumentParser) -> None:
    token = Path(os.environ.get("GITSYNC_MEMBER_TOKEN_FILE", TOKENS / "member"))
    parser.add_argument("--controller", required=True, metavar="URL", help="the controller's Service")
    parser.add_argument("--token-file", type=Path, default=token, help="the token of members")


def _add_sidecar(parser: argparse.ArgumentParser) -> None:
    _add_member(parser)
    parser.add_argument("--root", type=Path, help="the volume that Airflow reads, when there is one source")
    parser.add_argument(
        "--source", action="append", metavar="NAME[=DIR]",
        help="a source of the controller's configuration (dags) and the volume for its trees; repeat for each source",
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=8099, help="for probes, and for Airflow in the same pod")
    parser.add_argument("--newest", type=int, default=3, help="number of trees to keep that no run needs (3)")
    parser.add_argument(
        "--volume-limit", type=int, default=os.environ.get("GITSYNC_VOLUME_LIMIT", "0"), metavar="MIB",
        help="MiB that everything on a volume may take, less than its sizeLimit ($GITSYNC_VOLUME_LIMIT; 0: all it has)",
    )  # fmt: skip
    parser.set_defaults(run=_sidecar)


def _sidecar(arguments: argparse.Namespace) -> None:
    # `http.client` would import ssl, which is a fifth of the memory. A member speaks plain HTTP, inside the cluster.
    sys.modules["ssl"] = None  # type: ignore[assignment] # None makes an import fail: Python's documented way
    from gitsync.member import sidecar  # noqa: PLC0415 - only this command needs it

    roots = _roots(arguments.source or ["dags"], arguments.root)
    sidecar.main(
        arguments.controller, roots, arguments.token_file,
        port=arguments.port, newest=arguments.newest, limit=arguments.volume_limit * 2**20 or None,
    )  # fmt: skip


def _roots(sources: list[str], root: Path | None) -> dict[str, Path]:
    """The volume of each source, by the source's name. Raises SettingsError."""
    named = {name: Path(place) if place else root for name, _, place in (given.partition("=") for given in sources)}
    roots = {name: place for name, place in named.items() if name and place is not None}
    if len(roots) != len(sources) or len({place.absolute() for place in roots.values()}) != len(sources):
        raise SettingsError("each --source needs a directory of its own: --source NAME=DIR, or --root for a single one")
    return roots


def _add_stage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("revision", metavar="REVISION|current", help="a full commit id, or the published revision")
    _add_member(parser)
    parser.add_argument("--root", type=Path, required=True, help="the volume that Airflow reads")
    parser.add_argument("--source", default="dags", help="name of the source in the controller's configuration")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds in which failures are tried again")
    parser.set_defaults(run=_stage)


def _stage(arguments: argparse.Namespace) -> None:
    from gitsync.member.stage import stage  # noqa: PLC0415 - only this command needs it

    revision = stage(
        arguments.controller, arguments.source, arguments.root, arguments.token_file,
        wanted=arguments.revision, timeout=arguments.timeout,
    )  # fmt: skip
    print(revision)
