"""Starts and removes add-ons of the embedded node that KUBE_AIRFLOW_NODE names."""

from __future__ import annotations

import argparse
import sys

from hack.lab.addons import catalog
from hack.lab.node import lifecycle
from hack.lab.node.errors import NodeError
from hack.lab.node.plan import plan_from_environment


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m hack.lab.addons", description=__doc__)
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
