"""Shows the pods, the published commit, and the reason why a newer commit is not live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.operate import options
from hack.operate.cluster import EXECUTE
from hack.operate.errors import Failure

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    options.instance(parser)


def run(given: argparse.Namespace) -> None:
    instance = options.chosen(given)
    if not instance.find("deployment", "api-server"):
        cure = f"`hack/kube-airflow apply --overlay {given.overlay}`" if given.overlay else "apply its overlay"
        raise Failure(f"there is no {instance.named('deployment/api-server')} in {instance.namespace}: {cure}")
    print(instance.kubectl("get", "pods", "--selector", instance.selector) or "no pods\n")
    if instance.find("statefulset", "gitsync"):
        print(instance.kubectl(*EXECUTE, instance.named("statefulset/gitsync"), "--", "gitsync", "status"), end="")
    else:
        print("this instance has no gitsync, so its DAGs come another way")
