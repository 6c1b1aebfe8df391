"""python3 -m hack.lab.node up|build|down|clean|status|kubeconfig|kubectl|which|load|images

The node is named by KUBE_AIRFLOW_NODE (default: kube-airflow); several can run side by side.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from hack.lab.node import build, images, lifecycle, prerequisites, processes
from hack.lab.node.errors import NodeError
from hack.lab.node.plan import Plan, plan_from_environment


def up(plan: Plan, _: argparse.Namespace) -> int:
    lifecycle.up(plan)
    print(f"The node {plan.name} is up: export KUBECONFIG={plan.admin_kubeconfig}")
    return 0


def build_programs(plan: Plan, _: argparse.Namespace) -> int:
    build.build(plan.cache)
    return 0


def which(plan: Plan, arguments: argparse.Namespace) -> int:
    print(build.binaries(plan.cache)[arguments.program])
    return 0


def down(plan: Plan, _: argparse.Namespace) -> int:
    lifecycle.down(plan)
    return 0


def clean(plan: Plan, _: argparse.Namespace) -> int:
    lifecycle.clean(plan)
    return 0


def status(plan: Plan, _: argparse.Namespace) -> int:
    """Print a line for each program. The exit status is 0 if none has a fault."""
    problems = lifecycle.problems(plan, build.binaries(plan.cache))
    pids = {process.program: str(process.pid) for process in processes.running(plan)}
    for program, problem in problems.items():
        print(f"{program:<24} {pids.get(program, '-'):>8}  {problem or 'ok'}")
    return 1 if any(problems.values()) else 0


def kubeconfig(plan: Plan, _: argparse.Namespace) -> int:
    print(plan.admin_kubeconfig)
    return 0


def kubectl(plan: Plan, arguments: argparse.Namespace) -> int:
    program = build.binaries(plan.cache)["kubectl"]
    if not Path(program).exists():
        raise NodeError("kubectl is not built: `python3 -m hack.lab.node up` builds it")
    environment = {**os.environ, "KUBECONFIG": str(plan.admin_kubeconfig)}
    return subprocess.run([program, *arguments.arguments], env=environment, check=False).returncode


def load(plan: Plan, arguments: argparse.Namespace) -> int:
    for file in arguments.files:
        images.load(plan, build.binaries(plan.cache), file)
    return 0


def list_images(plan: Plan, _: argparse.Namespace) -> int:
    for name, digest in images.loaded(plan, build.binaries(plan.cache)).items():
        print(name, digest)
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python3 -m hack.lab.node", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = result.add_subparsers(required=True, metavar="COMMAND")
    for name, action, text in (
        ("up", up, "build what is missing, start what is not running, repair what is broken"),
        ("build", build_programs, "build the node's programs, and start nothing"),
        ("down", down, "stop everything; cluster state, volumes and images stay"),
        ("clean", clean, "stop everything and remove every trace but the build cache"),
        ("status", status, "show the programs and their faults; exit with 1 if there is a fault"),
        ("kubeconfig", kubeconfig, "print the path of the administrator's kubeconfig"),
        ("images", list_images, "print name and digest of each loaded image"),
    ):
        root = action is not build_programs  # compilers need none
        commands.add_parser(name, help=text, description=text).set_defaults(action=action, root=root)
    # No argument starts with a zero byte, so argparse passes every option on to kubectl.
    kubectl_parser = commands.add_parser(
        "kubectl", help="run the node's own kubectl", add_help=False, prefix_chars="\0"
    )
    kubectl_parser.add_argument("arguments", nargs=argparse.REMAINDER)
    kubectl_parser.set_defaults(action=kubectl, root=True)
    which_parser = commands.add_parser(
        "which", help="print the path of one of the node's programs, also if it is not built yet"
    )
    which_parser.add_argument("program")
    which_parser.set_defaults(action=which, root=False)
    load_parser = commands.add_parser("load", help="import image archives (OCI or Docker)")
    load_parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    load_parser.set_defaults(action=load, root=True)
    return result


def main() -> int:
    arguments = parser().parse_args()
    try:
        if arguments.root:
            prerequisites.refuse_other_users()
        return int(arguments.action(plan_from_environment(), arguments))
    except NodeError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
