"""Operates an instance of the stack on any cluster, through kubectl."""

from __future__ import annotations

import argparse
import os
import sys

from hack.operate import apply, backup, browse, from_helm, new_instance, restore, secrets, status
from hack.operate.check import verb as check
from hack.operate.errors import Failure
from hack.operate.rotate import verb as rotate

VERBS = {
    "check": check,
    "apply": apply,
    "status": status,
    "browse": browse,
    "secrets": secrets,
    "rotate": rotate,
    "backup": backup,
    "restore": restore,
    "new-instance": new_instance,
    "from-helm": from_helm,
}
"""The verbs. Each module has a docstring, which is the verb's help, and the functions ``arguments`` and ``run``."""
PROGRAM = "hack/kube-airflow"
READER_GONE = 141
"""What a shell says of a program that SIGPIPE has ended."""


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    result = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    verbs = result.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, module in VERBS.items():
        words = module.__doc__ or ""
        verb = verbs.add_parser(
            name,
            help=words.partition("\n")[0].rstrip("."),
            description=words,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.arguments(verb)
        verb.set_defaults(run=module.run)
    return result


def joined(words: list[str]) -> list[str]:
    """Write ``--suffix -v2`` as one word: argparse would take a name's end with a hyphen for an option."""
    result: list[str] = []
    for word in words:
        if result and result[-1] == "--suffix":
            result[-1] = f"--suffix={word}"
        else:
            result.append(word)
    return result


def main() -> int:
    try:
        return _main(sys.argv[1:])
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would write the rest at its end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE


def _main(words: list[str]) -> int:
    try:
        options = parser().parse_args(joined(words))
        return _run(options)
    finally:
        sys.stdout.flush()


def _run(options: argparse.Namespace) -> int:
    try:
        options.run(options)
    except KeyboardInterrupt:
        return 130
    except Failure as failure:
        print(f"{PROGRAM} {options.verb}: {failure}", file=sys.stderr)
        return 1
    return 0
