"""python3 -m hack.addons up|down NAME: what clusters usually have, on the embedded node (KUBE_AIRFLOW_NODE)"""

from __future__ import annotations

import argparse
import sys

from hack.addons import catalog
from hack.node import lifecycle
from hack.node.errors import NodeError
from hack.node.plan import plan_from_environment


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m hack.addons", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("name", choices=catalog.ADDONS)
    arguments = parser.parse_args()
    plan = plan_from_environment()
    try:
        if arguments.command == "up":
            lifecycle.up(plan)
            catalog.up(plan, arguments.name)
        else:
            catalog.down(plan, arguments.name)
    except NodeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
