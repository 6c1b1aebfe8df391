"""Writes overlays/NAME, for an instance of the stack with a prefix of its own.

hack/kube-airflow new-instance team-a --from prod
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from hack.operate.errors import Failure
from hack.operate.overlay import OVERLAYS

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

GITOPS = ("argocd/applications.yaml", "flux/instances.yaml", "flux/secrets.yaml")
"""Files with a document for each overlay, below the overlays."""
LONGEST = 30
"""Longest name. A host name may have 63 characters, so 32 are left for the rest of a pod's name: the workload's name,
and 17 more for a Deployment's pod or 11 more for a StatefulSet's revision label."""


def check_name(name: str, option: str = "NAME") -> None:
    """Raise Failure unless ``name`` is valid in the names of pods, Services and namespaces."""
    if not re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name):
        message = "write small letters, digits and dashes, a letter first and no dash last"
        raise Failure(f"{option} {name!r} cannot be part of a host name: {message}")
    if len(name) > LONGEST:
        longest = "names of pods, which begin with it, end at 63"
        raise Failure(f"{option} {name!r} has {len(name)} characters: take at most {LONGEST}, because {longest}")


def write(overlays: Path, name: str, template: str, namespace: str | None) -> Path:
    """Copy the overlay ``template`` with the new instance's name, and return its folder. Raises Failure."""
    check_name(name)
    check_name(namespace or name, "--namespace")
    target = overlays / name
    if target.exists():
        raise Failure(f"overlays/{name} is there already: take another name, or remove it first")
    if not (overlays / template / "kustomization.yaml").exists():
        raise Failure(f"--from {template}: there is no overlays/{template}; take dev or prod")
    shutil.copytree(overlays / template, target)
    for file in sorted(path for path in target.rglob("*") if path.is_file()):
        file.write_text(re.sub(rf"(?<![\w/-]){template}-", f"{name}-", file.read_text()))
    kustomization = target / "kustomization.yaml"
    kustomization.write_text(renamed(kustomization.read_text(), name, template, namespace))
    return target


def renamed(text: str, name: str, template: str, namespace: str | None) -> str:
    """Return the kustomization of the new instance, without the template's comment about itself."""
    body = re.sub(r"\A(#.*\n)+", "", text)
    body = body.replace(f"kube-airflow/instance: {template}", f"kube-airflow/instance: {name}")
    if namespace:
        body = re.sub(r"(?m)^namespace: .*$", f"namespace: {namespace}", body)
    return f"# Written by hack/kube-airflow new-instance {name} --from {template}; yours from here on.\n{body}"


def tell_gitops(overlays: Path, name: str, template: str) -> None:
    """Copy the documents about ``template`` in the files for Argo CD and Flux, for the new instance."""
    for file in (overlays / each for each in GITOPS):
        known = file.read_text().split("---\n")
        copied = [part for part in known if re.search(rf"(?m)^  name: airflow-{template}(-secrets)?$", part)]
        renamed = [re.sub(rf"(?m)(airflow-|/){template}(?=$|-secrets$)", rf"\g<1>{name}", part) for part in copied]
        without_comment = [re.sub(r"\A(#.*\n)+", "", part) for part in renamed]
        file.write_text("---\n".join([*known[:-1], known[-1].rstrip("\n") + "\n", *without_comment]))


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the overlay, of its prefix and of its label")
    parser.add_argument("--from", dest="template", default="dev", metavar="OVERLAY", help="the overlay to copy (dev)")
    parser.add_argument("--namespace", help="default: the namespace of the copied overlay")
    parser.add_argument(
        "--gitops", action="store_true", help="tell Argo CD and Flux, too: in overlays/argocd and overlays/flux"
    )


def run(given: argparse.Namespace) -> None:
    written = write(OVERLAYS, given.name, given.template, given.namespace)
    if given.gitops:
        tell_gitops(OVERLAYS, given.name, given.template)
        print(f"told Argo CD and Flux: {', '.join(f'overlays/{file}' for file in GITOPS)}")
    print(f"overlays/{written.name}: {', '.join(sorted(path.name for path in written.iterdir()))}")
    print(f"set the DAG repository in gitsync.yaml; then: make up OVERLAY={written.name}")
