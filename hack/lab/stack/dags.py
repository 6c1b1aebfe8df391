"""The DAG repository of an instance with a Git server of its own."""

from __future__ import annotations

import subprocess
import tempfile
from typing import TYPE_CHECKING
from urllib.parse import quote

from hack.operate.errors import Failure
from hack.operate.overlay import CHECKOUT

if TYPE_CHECKING:
    from hack.operate.instance import Instance

EXAMPLE = CHECKOUT / "examples" / "dags"


def push_example(instance: Instance) -> str:
    """Push the example DAGs if the repository is empty. Gives the result in words."""
    with instance.reach("git-server", 8080) as server, tempfile.TemporaryDirectory() as directory:
        remote = address(instance, server)
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
    """Make gitsync look at the repository now, because it may pause after failed looks. Errors do not matter here."""
    name = instance.named("statefulset/gitsync")
    instance.cluster.run("--namespace", instance.namespace, "exec", name, "--", "gitsync", "look", check=False)


def address(instance: Instance, server: str) -> str:
    """The DAG repository's address, with the password in it."""
    password = instance.secret("git-server", "password")
    return server.replace("http://", f"http://git:{quote(password, safe='')}@") + "/dags.git"


def git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failure(f"git: {result.stderr.strip()}")
    return result.stdout
