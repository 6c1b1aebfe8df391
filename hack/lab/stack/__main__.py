"""python3 -m hack.lab.stack up|down|run: one overlay on the cluster that CLUSTER names (see `make help`)"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from shutil import which

from hack.lab.images.catalog import IMAGES
from hack.lab.node import build, lifecycle
from hack.lab.node import images as node_images
from hack.lab.node.errors import NodeError
from hack.lab.node.plan import plan_from_environment
from hack.lab.stack import cluster as clusters
from hack.lab.stack import dags
from hack.lab.stack.airflow import Airflow
from hack.operate import overlay as overlays
from hack.operate.apply import apply
from hack.operate.errors import Failure
from hack.operate.instance import Instance
from hack.progress import step

EXAMPLE_DAG = "hello"
FORWARDED = "http://127.0.0.1:8418"
"""The Git server's address through `kubectl port-forward`, if this machine cannot reach the cluster's node ports."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m hack.lab.stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the overlay, from nothing to a DAG that has run")
    commands.add_parser("down", help="stop the node, or remove the overlay from the current cluster")
    runner = commands.add_parser("run", help="run a program with kubectl set to that cluster")
    runner.add_argument("program")
    runner.add_argument("words", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.program, *arguments.words)
    overlay = overlays.directory(os.environ.get("OVERLAY") or "dev")
    {"up": up, "down": down}[arguments.command](overlay)
    return 0


def run(program: str, *words: str) -> None:
    """Replace this process by a program, with kubectl set to the wanted cluster. Raises Failure without the cluster."""
    try:
        os.execvpe(program, [program, *words], clusters.connected().environment)
    except OSError as error:
        raise Failure(f"{program}: {error.strerror}") from error


def up(overlay: Path) -> None:
    """Start the overlay, push the example DAGs, and run one."""
    instance = Instance.of_overlay(clusters.ensure(), overlay)
    changed = provide_images(instance)
    apply(instance, registry(), changed)
    if instance.has_git_server:
        with step("Git server") as current:
            instance.wait_until_ready(current, only="git-server")
            current.result = dags.push_example(instance)
            dags.look(instance)
    with step("all pods ready") as current:
        instance.wait_until_ready(current)
    if instance.has_git_server:
        run_example(instance)
    say_where(instance)


def provide_images(instance: Instance) -> list[str]:
    """Build the images, and load or push them. Gives the names of images that have changed on the cluster."""
    if clusters.wants_current():
        if registry():
            images("push", *used_images(instance))
        # Without a registry the cluster must have the images already: kind, minikube and k3s can load archives.
        return []
    before = loaded_images()
    images("load", *used_images(instance))
    return [name for name, digest in loaded_images().items() if before.get(name, digest) != digest]


def used_images(instance: Instance) -> list[str]:
    """The catalog's names of the overlay's images. Other images are not built."""
    used = {image.partition("@")[0].rpartition(":")[0] for image in instance.images}
    return [image.name for image in IMAGES if any(name.endswith(image.repository) for name in used)]


def images(command: str, *names: str) -> None:
    program = [sys.executable, "-m", "hack.lab.images", command, *names]
    if subprocess.run(program, cwd=overlays.CHECKOUT, check=False).returncode:
        raise Failure(f"`python3 -m hack.lab.images {command}` failed; see above")


def loaded_images() -> dict[str, str]:
    """The digest of each image on the embedded node, by its name in the manifests."""
    plan = plan_from_environment()
    loaded = node_images.loaded(plan, build.binaries(plan.cache))
    return {name.removeprefix("docker.io/").removeprefix("library/"): digest for name, digest in loaded.items()}


def registry() -> str:
    return os.environ.get("IMAGE_REGISTRY", "").rstrip("/")


def down(overlay: Path) -> None:
    """Stop the embedded node, or remove the overlay from the current cluster. Data stays in both cases."""
    if clusters.wants_current():
        with step(f"removing {overlays.shown(overlay)}; volumes and Secrets stay"):
            cluster = clusters.connected()
            cluster.must_answer()
            cluster.run("delete", "--ignore-not-found", "-k", str(overlay))
    else:
        lifecycle.down(plan_from_environment())


def run_example(instance: Instance) -> None:
    with step(f"DAG {EXAMPLE_DAG}") as current, instance.reach("api-server", 8080) as url:
        airflow = Airflow(url, "admin", instance.secret("airflow", "admin-password"))
        airflow.wait_for_dag(EXAMPLE_DAG, current)
        found = airflow.wait_for_run(EXAMPLE_DAG, airflow.trigger(EXAMPLE_DAG), current)
        current.result = f"success on commit {found['bundle_version']}"


def say_where(instance: Instance) -> None:
    web = instance.url("api-server", 8080) or "make browse-web"
    print(f"web page    {web}  (user admin, password {instance.secret('airflow', 'admin-password')})")
    if instance.has_git_server:
        server = instance.url("git-server", 8080)
        print(f"DAGs        git clone {dags.address(instance, server or FORWARDED)}")
        if server is None:
            forward = f"port-forward {instance.named('service/git-server')} {FORWARDED.rpartition(':')[2]}:8080"
            print(f"            while this runs: kubectl -n {instance.namespace} {forward}")
    if instance.cluster.kubeconfig:
        path = "" if which("kubectl") else f" PATH=$PATH:{Path(instance.cluster.kubectl).parent}"
        print(f"kubectl     export KUBECONFIG={instance.cluster.kubeconfig}{path}")
        print(f"            kubectl -n {instance.namespace} get pods; hack/kube-airflow --help")
    print("why is a commit not live?   make status")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (Failure, NodeError) as error:
        sys.exit(str(error))
