"""python3 -m hack.gitops up|down: Argo CD on the embedded node; the node is named by KUBE_AIRFLOW_NODE"""

from __future__ import annotations

import argparse
import sys

from hack.gitops import argocd
from hack.node import lifecycle
from hack.node.errors import NodeError
from hack.node.plan import plan_from_environment


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m hack.gitops", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    command = parser.parse_args().command
    plan = plan_from_environment()
    try:
        if command == "up":
            lifecycle.up(plan)
            argocd.up(plan)
        else:
            argocd.down(plan)
    except NodeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
