"""Writes an overlay from the values of a Helm chart, and says what to do about each value that it cannot translate.

hack/kube-airflow from-helm values.yaml --name prod-new
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hack.operate.errors import Failure
from hack.operate.new_instance import check_name
from hack.operate.overlay import CHECKOUT, OVERLAYS

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "values",
        type=Path,
        nargs="*",
        metavar="VALUES.yaml",
        help="the output of `helm get values RELEASE -o yaml`; of several the last counts; - is the standard input",
    )
    parser.add_argument("-f", "--file", type=Path, action="append", default=[], help="one more file, as Helm names it")
    parser.add_argument("--name", default="from-helm", help="name of the overlay, its prefix and its label (from-helm)")
    parser.add_argument("--namespace", default="airflow")
    parser.add_argument(
        "--chart", choices=("official", "community"), help="the chart; by default the values' keys tell it"
    )


def run(given: argparse.Namespace) -> None:
    check_name(given.name, "--name")
    check_name(given.namespace, "--namespace")
    if (OVERLAYS / given.name).exists():
        raise Failure(f"overlays/{given.name} is there already: take another --name, or remove it first")
    files: list[Path] = [*given.values, *given.file]
    if not files:
        raise Failure(
            "name a file of values, or - for the standard input; `helm get values RELEASE -o yaml` prints one"
        )
    for each in files:
        if str(each) != "-" and not each.is_file():
            raise Failure(f"there is no file {each}; `helm get values RELEASE -o yaml` prints one")
    must_have_yaml()
    from hack.operate.helm import translate, values

    for line in translate.written(values.read(files), given.chart, given.name, given.namespace):
        print(line)


def must_have_yaml() -> None:
    """If this Python has no PyYAML, make the checkout's environment, and start again in that. Raises Failure."""
    if importlib.util.find_spec("yaml"):
        return
    if subprocess.run([CHECKOUT / "hack/lab/bootstrap"], check=False).returncode:
        raise Failure("this verb needs PyYAML, which could not be installed: see above, or install python3-yaml")
    python = str(CHECKOUT / ".venv/bin/python")
    os.execv(python, [python, str(CHECKOUT / "hack/kube-airflow"), *sys.argv[1:]])
