"""python3 -m hack.addons up|down NAME: what clusters usually bring, on the embedded node (KUBE_AIRFLOW_NODE)"""

from __future__ import annotations

import argparse
import sys

from hack.addons import keda, metrics_server
from hack.node import lifecycle
from hack.node.errors import NodeError
from hack.node.plan import plan_from_environment

UP = {"metrics-server": metrics_server.up, "keda": keda.up}
DOWN = {"metrics-server": metrics_server.down, "keda": keda.down}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m hack.addons", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("name", choices=sorted(UP))
    arguments = parser.parse_args()
    plan = plan_from_environment()
    try:
        if arguments.command == "up":
            lifecycle.up(plan)
            UP[arguments.name](plan)
        else:
            DOWN[arguments.name](plan)
    except NodeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
