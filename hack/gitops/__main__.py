"""python3 -m hack.gitops up|down argocd|flux: a tool on the embedded node; the node is named by KUBE_AIRFLOW_NODE"""

from __future__ import annotations

import argparse
import sys

from hack.gitops import argocd, flux
from hack.node import lifecycle
from hack.node.errors import NodeError
from hack.node.plan import plan_from_environment

TOOLS = {"argocd": argocd, "flux": flux}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m hack.gitops", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("tool", choices=TOOLS)
    arguments = parser.parse_args()
    tool = TOOLS[arguments.tool]
    plan = plan_from_environment()
    try:
        if arguments.command == "up":
            lifecycle.up(plan)
            tool.up(plan)
        else:
            tool.down(plan)
    except NodeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
