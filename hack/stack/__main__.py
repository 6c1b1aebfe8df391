"""python3 -m hack.stack up|down|apply|status|browse: one overlay on a cluster (see `make help`)"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING
from urllib.parse import quote

from hack.node import build, lifecycle
from hack.node import images as node_images
from hack.node.errors import NodeError
from hack.node.plan import plan_from_environment
from hack.progress import step
from hack.stack import cluster as clusters
from hack.stack.airflow import Airflow
from hack.stack.instance import CHECKOUT, Instance

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = CHECKOUT / "examples" / "dags"
EXAMPLE_DAG = "hello"


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
    instance = Instance(cluster, overlay)
    changed = provide_images()
    apply_all(instance, changed)
    with step("Git server") as current:
        instance.wait_until_ready(current, only="git-server")
        current.result = push_example(instance)
        look(instance)
    with step("all pods ready") as current:
        instance.wait_until_ready(current)
    run_example(instance)
    say_where(instance)


def provide_images() -> list[str]:
    """Build the images and bring them to the cluster; the names of those that changed there."""
    if clusters.wants_current():
        if os.environ.get("IMAGE_REGISTRY"):
            images("push")
        # Without a registry the cluster must have the images already: kind, minikube and k3s can load archives.
        return []
    before = loaded_images()
    images("load")
    return [name for name, digest in loaded_images().items() if before.get(name, digest) != digest]


def images(command: str) -> None:
    if subprocess.run([sys.executable, "-m", "hack.images", command], cwd=CHECKOUT, check=False).returncode:
        raise clusters.StackError(f"`python3 -m hack.images {command}` failed; see above")


def loaded_images() -> dict[str, str]:
    """Digest of each image on the embedded node, by the name that manifests use."""
    plan = plan_from_environment()
    loaded = node_images.loaded(plan, build.binaries(plan.cache))
    return {name.removeprefix("docker.io/").removeprefix("library/"): digest for name, digest in loaded.items()}


def apply_all(instance: Instance, changed: list[str]) -> None:
    with step(f"overlays/{instance.name}"):
        instance.cluster.run("apply", "-f", str(CHECKOUT / "overlays" / "namespace.yaml"))
        instance.make_secrets(*(["--dev"] if (instance.overlay / "git-server").is_dir() else []))
        instance.apply(os.environ.get("IMAGE_REGISTRY", "").rstrip("/"))
        instance.restart_users_of(changed)


def apply(overlay: Path) -> None:
    apply_all(Instance(clusters.connected(), overlay), [])


def down(overlay: Path) -> None:
    """Stop the embedded node, or remove the overlay from the current cluster; data stays in both."""
    if clusters.wants_current():
        with step(f"removing overlays/{overlay.name}; volumes and Secrets stay"):
            clusters.connected().run("delete", "--ignore-not-found", "-k", str(overlay))
    else:
        lifecycle.down(plan_from_environment())


def push_example(instance: Instance) -> str:
    """Push the example DAGs to a repository that is still empty."""
    with instance.reach("git-server", 8080) as server, tempfile.TemporaryDirectory() as directory:
        remote = repository(instance, server)
        if git("ls-remote", remote, "refs/heads/main"):
            return "the DAG repository has commits"
        work = ("-C", directory)
        git(*work, "init", "--quiet", "--initial-branch=main")
        git(f"--git-dir={directory}/.git", f"--work-tree={EXAMPLE}", "add", ".")
        identity = ("-c", "user.name=kube-airflow", "-c", "user.email=kube-airflow@localhost")
        git(*work, *identity, "commit", "--quiet", "--message=Say hello")
        git(*work, "push", "--quiet", remote, "main")
        return "pushed the example DAGs"


def look(instance: Instance) -> None:
    """Have gitsync look now: it may have tried in vain before, and pause. One that is not up looks when it starts."""
    name = f"statefulset/{instance.name}-gitsync"
    instance.cluster.run("--namespace", instance.namespace, "exec", name, "--", "gitsync", "look", check=False)


def repository(instance: Instance, server: str) -> str:
    """The DAG repository's address with the password in it."""
    password = secret(instance, "git-server", "password")
    return server.replace("http://", f"http://git:{quote(password, safe='')}@") + "/dags.git"


def secret(instance: Instance, name: str, key: str) -> str:
    template = f'go-template={{{{index .data "{key}" | base64decode}}}}'
    return instance.kubectl("get", "secret", f"{instance.name}-{name}", "-o", template)


def git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise clusters.StackError(f"git: {result.stderr.strip()}")
    return result.stdout


def run_example(instance: Instance) -> None:
    with step(f"DAG {EXAMPLE_DAG}") as current, instance.reach("api-server", 8080) as url:
        airflow = Airflow(url, "admin", secret(instance, "airflow", "admin-password"))
        airflow.wait_for_dag(EXAMPLE_DAG, current)
        found = airflow.wait_for_run(EXAMPLE_DAG, airflow.trigger(EXAMPLE_DAG), current)
        current.result = f"success on commit {found['bundle_version']}"


def say_where(instance: Instance) -> None:
    web = instance.url("api-server", 8080) or "make browse-web"
    server = instance.url("git-server", 8080)
    clone = repository(instance, server) if server else f"kubectl port-forward service/{instance.name}-git-server"
    print(f"web page    {web}  (user admin, password {secret(instance, 'airflow', 'admin-password')})")
    print(f"DAGs        git clone {clone}")
    if instance.cluster.kubeconfig:
        print(f"kubectl     export KUBECONFIG={instance.cluster.kubeconfig}; kubectl -n {instance.namespace} get pods")
    print("why is a commit not live?   make status")


def status(overlay: Path) -> None:
    instance = Instance(clusters.connected(), overlay)
    print(instance.kubectl("get", "pods", "--selector", instance.selector))
    print(instance.kubectl("exec", f"statefulset/{instance.name}-gitsync", "--", "gitsync", "status"), end="")


def browse(overlay: Path, service: str) -> None:
    """Keep a way to a web page open until Ctrl-C."""
    instance = Instance(clusters.connected(), overlay)
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
