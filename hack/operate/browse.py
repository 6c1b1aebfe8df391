"""Forwards Airflow's web page, or Flower's, to a port of this machine until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.operate import options
from hack.operate.cluster import in_one_line
from hack.operate.errors import Failure

if TYPE_CHECKING:
    import argparse

SERVICES = {"web": ("api-server", 8080), "flower": ("flower", 5555)}
"""The Service and port of each page. The default port on this machine is the same."""


def arguments(parser: argparse.ArgumentParser) -> None:
    options.instance(parser)
    parser.add_argument("page", choices=SERVICES, metavar="PAGE", help="web, or flower")
    parser.add_argument("--port", type=int, help="the port on this machine; default: 8080 for web, 5555 for flower")


def run(given: argparse.Namespace) -> None:
    instance = options.chosen(given)
    service, port = SERVICES[given.page]
    if not instance.find("service", service):
        raise Failure(f"there is no {instance.named(f'service/{service}')} in {instance.namespace}")
    local = given.port or port
    with instance.forwarded(service, port, local) as forward:
        print(f"http://127.0.0.1:{local}  (Ctrl-C ends it)", flush=True)
        _output, error = forward.communicate()
    raise Failure(f"the connection to {instance.named(service)} ended: {in_one_line(error)}")
