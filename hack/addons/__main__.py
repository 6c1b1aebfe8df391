"""python3 -m hack.addons up|down NAME: what clusters usually have, on the embedded node (KUBE_AIRFLOW_NODE)"""

from __future__ import annotations

import argparse
import sys

from hack.addons import keda, kube_router, metrics_server, traefik
from hack.gitops import argocd, flux
from hack.node import lifecycle
from hack.node.errors import NodeError
from hack.node.plan import plan_from_environment

ADDONS = {
    "argocd": argocd,
    "flux": flux,
    "keda": keda,
    "kube-router": kube_router,
    "metrics-server": metrics_server,
    "traefik": traefik,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m hack.addons", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("name", choices=ADDONS)
    arguments = parser.parse_args()
    plan = plan_from_environment()
    try:
        if arguments.command == "up":
            lifecycle.up(plan)
            ADDONS[arguments.name].up(plan)
        else:
            ADDONS[arguments.name].down(plan)
    except NodeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
