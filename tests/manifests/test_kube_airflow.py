"""hack/kube-airflow on a machine without a cluster: every verb ends in one line that names the cure."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hack.operate.overlay import CHECKOUT
from hack.operate.verbs import VERBS

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = CHECKOUT / "hack/kube-airflow"
ARGUMENTS = {
    "apply": ["--overlay", "dev"],
    "status": ["--overlay", "dev"],
    "browse": ["--overlay", "dev", "web"],
    "secrets": ["--overlay", "dev"],
    "rotate": ["--overlay", "dev", "all"],
    "backup": ["--overlay", "dev", "dump"],
    "restore": ["--overlay", "dev", str(PROGRAM)],
}
"""Of the verbs that ask a cluster."""
UNREACHABLE = """
apiVersion: v1
kind: Config
clusters: [{name: gone, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: gone, context: {cluster: gone, user: nobody}}]
users: [{name: nobody, user: {token: none}}]
current-context: gone
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it with Python's standard library alone, and nothing but ``environment``."""
    command = [sys.executable, "-S", str(PROGRAM), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)


def one_line(done: subprocess.CompletedProcess[str], verb: str) -> str:
    """What it says, which is one line; it failed."""
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"hack/kube-airflow {verb}: ")
    return line


@pytest.mark.parametrize("verb", ARGUMENTS)
def test_without_a_cluster_it_says_how_to_have_one(verb: str) -> None:
    done = run(verb, *ARGUMENTS[verb], PATH=os.environ["PATH"], KUBECONFIG=os.devnull)
    assert "`make up` starts a cluster" in one_line(done, verb)


@pytest.mark.parametrize("where", [("--overlay", "dev"), ("--namespace", "airflow", "--prefix", "dev-")], ids=" ".join)
def test_a_cluster_that_does_not_answer_is_no_other_case(where: tuple[str, ...], tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(UNREACHABLE)
    done = run("status", *where, PATH=os.environ["PATH"], KUBECONFIG=str(kubeconfig))
    assert "127.0.0.1:1 was refused" in one_line(done, "status")


@pytest.mark.parametrize("verb", ARGUMENTS)
def test_without_kubectl_it_says_what_to_install(verb: str, tmp_path: Path) -> None:
    assert "install kubectl" in one_line(run(verb, *ARGUMENTS[verb], PATH=str(tmp_path)), verb)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("status",), "which instance? Give --overlay NAME", id="no-instance"),
        pytest.param(("status", "--overlay", "dev", "--prefix", "x-"), "leave these options out", id="both"),
        pytest.param(("status", "--overlay", "nobody"), "one of dev, prod, staging", id="unknown-overlay"),
        pytest.param(("secrets", "--overlay", "argocd", "--output", "x"), "builds no Airflow", id="no-instance-in-it"),
        pytest.param(("restore", "--overlay", "dev", "/nowhere"), "is missing or empty", id="no-dump"),
        pytest.param(("new-instance", "Team"), "cannot be part of a host name", id="bad-name"),
        pytest.param(("from-helm", "/nowhere"), "`helm get values RELEASE -o yaml` prints one", id="no-values"),
        pytest.param(("from-helm", "/nowhere", "--name", "prod"), "take another --name", id="name-taken"),
    ],
)
def test_a_wrong_call_is_one_line_too(arguments: tuple[str, ...], said: str) -> None:
    assert said in one_line(run(*arguments, PATH=os.environ["PATH"], KUBECONFIG=os.devnull), arguments[0])


@pytest.mark.parametrize("verb", VERBS)
def test_help_needs_python_alone(verb: str) -> None:
    done = run(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert (VERBS[verb].__doc__ or "").partition("\n")[0] in done.stdout


@pytest.mark.parametrize(
    ("target", "cluster"),
    [
        *(("status", cluster) for cluster in ("embedded", "current", "nonsense")),
        *((target, "embedded") for target in ("apply", "browse-web", "browse-flower")),
    ],
)
def test_make_says_the_same(target: str, cluster: str, tmp_path: Path) -> None:
    """The second line is make's own."""
    # Not what `make test` gives to a make that it starts: its messages are those of an inner one.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    environment |= {"CLUSTER": cluster, "KUBECONFIG": os.devnull}
    environment |= {"KUBE_AIRFLOW_NODE": "kube-airflow-nowhere", "KUBE_AIRFLOW_CACHE": str(tmp_path)}
    done = subprocess.run(
        ["make", "--no-print-directory", target], cwd=CHECKOUT, capture_output=True, text=True, check=False,
        env=environment, timeout=120,
    )  # fmt: skip
    said, makes = done.stderr.splitlines()
    cure = {"embedded": "`make up` makes it", "current": "`make up` starts a cluster", "nonsense": "use `embedded`"}
    assert cure[cluster] in said
    assert makes.startswith("make: ***")
    assert (done.returncode, done.stdout) == (2, "")
    assert not list(tmp_path.iterdir())
