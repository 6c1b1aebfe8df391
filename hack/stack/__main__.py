"""python3 -m hack.stack up|down|apply|status|browse: one overlay on a cluster (see `make help`)"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from hack.images.catalog import IMAGES
from hack.node import build, lifecycle
from hack.node import images as node_images
from hack.node.errors import NodeError
from hack.node.plan import plan_from_environment
from hack.progress import step
from hack.stack import cluster as clusters
from hack.stack import dags, difference
from hack.stack.airflow import Airflow
from hack.stack.instance import CHECKOUT, Instance
from hack.stack.new_instance import namespace_of

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE_DAG = "hello"
FORWARDED = "http://127.0.0.1:8418"
"""Where the Git server is when the cluster's node ports cannot be reached from here."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m hack.stack", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "apply", "status", "browse"])
    parser.add_argument("service", nargs="?", default="web", choices=["web", "flower"])
    arguments = parser.parse_args()
    overlay = CHECKOUT / "overlays" / (os.environ.get("OVERLAY") or "dev")
    if not (overlay / "kustomization.yaml").exists():
        raise clusters.StackError(f"OVERLAY={overlay.name}: there is no {overlay}/kustomization.yaml")
    actions = {"up": up, "down": down, "apply": apply, "status": status}
    if arguments.command == "browse":
        browse(overlay, arguments.service)
    else:
        actions[arguments.command](overlay)
    return 0


def up(overlay: Path) -> None:
    """From nothing to a pushed DAG that has run."""
    cluster = clusters.ensure()
    instance = instance_of(cluster, overlay)
    changed = provide_images(instance)
    apply_all(instance, changed)
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
    """Build the images and bring them to the cluster; the names of those that changed there."""
    if clusters.wants_current():
        if os.environ.get("IMAGE_REGISTRY"):
            images("push", *used_images(instance))
        # Without a registry the cluster must have the images already: kind, minikube and k3s can load archives.
        return []
    before = loaded_images()
    images("load", *used_images(instance))
    return [name for name, digest in loaded_images().items() if before.get(name, digest) != digest]


def used_images(instance: Instance) -> list[str]:
    """What the overlay's pods run, as the catalog calls it: what only other overlays use is not built."""
    used = re.findall(r" image: (\S+):[^:/\s]+", instance.cluster.run("kustomize", str(instance.overlay)))
    return [image.name for image in IMAGES if any(name.endswith(image.repository) for name in used)]


def images(command: str, *names: str) -> None:
    program = [sys.executable, "-m", "hack.images", command, *names]
    if subprocess.run(program, cwd=CHECKOUT, check=False).returncode:
        raise clusters.StackError(f"`python3 -m hack.images {command}` failed; see above")


def loaded_images() -> dict[str, str]:
    """Digest of each image on the embedded node, by the name that manifests use."""
    plan = plan_from_environment()
    loaded = node_images.loaded(plan, build.binaries(plan.cache))
    return {name.removeprefix("docker.io/").removeprefix("library/"): digest for name, digest in loaded.items()}


def apply_all(instance: Instance, changed: list[str]) -> None:
    with step(f"overlays/{instance.name}"):
        instance.cluster.run("apply", "-f", "-", stdin=namespace_manifest(instance.namespace))
        instance.make_secrets(*(["--dev"] if instance.has_git_server else []))
        instance.apply(registry())
        instance.restart_users_of(changed)


def registry() -> str:
    return os.environ.get("IMAGE_REGISTRY", "").rstrip("/")


def apply(overlay: Path) -> None:
    """Show what would change, ask, and apply."""
    instance = instance_of(clusters.connected(), overlay)
    with instance.kustomization(registry()) as directory:
        changes = difference.against_cluster(instance, directory)
    if not changes:
        print(f"overlays/{overlay.name}: nothing to change")
        return
    print(changes, end="", flush=True)
    question = f"Change {difference.counted(changes)} in {instance.namespace}?"
    if not agreed(question):
        raise clusters.StackError(f"overlays/{overlay.name}: nothing was applied")
    apply_all(instance, [])


def agreed(question: str) -> bool:
    """Ask at the terminal; YES=1 is a yes. Raises StackError when there is nobody to ask."""
    if os.environ.get("YES") == "1":
        return True
    if not sys.stdin.isatty():
        raise clusters.StackError(f"{question} There is no terminal to ask at; YES=1 make apply OVERLAY=… says yes")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def instance_of(cluster: clusters.Cluster, overlay: Path) -> Instance:
    return Instance(cluster, overlay, namespace_of(overlay))


def namespace_manifest(name: str) -> str:
    """Return ``overlays/namespace.yaml`` for the namespace of an overlay, with the same Pod Security labels."""
    text = (CHECKOUT / "overlays" / "namespace.yaml").read_text()
    return text.replace("name: airflow\n", f"name: {name}\n")


def down(overlay: Path) -> None:
    """Stop the embedded node, or remove the overlay from the current cluster; data stays in both."""
    if clusters.wants_current():
        with step(f"removing overlays/{overlay.name}; volumes and Secrets stay"):
            clusters.connected().run("delete", "--ignore-not-found", "-k", str(overlay))
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
            forward = f"port-forward service/{instance.name}-git-server {FORWARDED.rpartition(':')[2]}:8080"
            print(f"            while this runs: kubectl -n {instance.namespace} {forward}")
    if instance.cluster.kubeconfig:
        print(f"kubectl     export KUBECONFIG={instance.cluster.kubeconfig}; kubectl -n {instance.namespace} get pods")
    print("why is a commit not live?   make status")


def status(overlay: Path) -> None:
    instance = instance_of(clusters.connected(), overlay)
    print(instance.kubectl("get", "pods", "--selector", instance.selector))
    print(instance.kubectl("exec", f"statefulset/{instance.name}-gitsync", "--", "gitsync", "status"), end="")


def browse(overlay: Path, service: str) -> None:
    """Keep a way to a web page open until Ctrl-C."""
    instance = instance_of(clusters.connected(), overlay)
    name, port = {"web": ("api-server", 8080), "flower": ("flower", 5555)}[service]
    local = {"web": 8080, "flower": 5555}[service]
    print(f"http://127.0.0.1:{local}  (Ctrl-C ends it)", flush=True)
    target = f"service/{instance.name}-{name}"
    command = [instance.cluster.kubectl, "--namespace", instance.namespace, "port-forward", target, f"{local}:{port}"]
    subprocess.run(command, env=instance.cluster.environment, check=False, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (clusters.StackError, NodeError) as error:
        sys.exit(str(error))
