"""hack/new-instance NAME: writes overlays/NAME, an instance of the stack with a prefix of its own."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LONGEST = 30
"""What comes after a prefix may then have 32 of a host name's 63 characters. A Deployment's pod needs 17 beside the
Deployment's own name, and a StatefulSet's revision label 11."""


class Failure(Exception):
    """A person must do something first; the message says what."""


def check_name(name: str, option: str = "NAME") -> None:
    """Raise Failure unless pods, Services and namespaces can be named so."""
    if not re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name):
        message = "write small letters, digits and dashes, a letter first and no dash last"
        raise Failure(f"{option} {name!r} cannot be part of a host name: {message}")
    if len(name) > LONGEST:
        longest = "names of pods, which begin with it, end at 63"
        raise Failure(f"{option} {name!r} has {len(name)} characters: take at most {LONGEST}, because {longest}")


def write(overlays: Path, name: str, template: str, namespace: str | None) -> Path:
    """Copy the overlay ``template``, with the name, the prefix and the label of the new instance. Raises Failure."""
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
    """Return a kustomization as the new instance has it; what the template said about itself goes."""
    body = re.sub(r"\A(#.*\n)+", "", text)
    body = body.replace(f"kube-airflow/instance: {template}", f"kube-airflow/instance: {name}")
    if namespace:
        body = re.sub(r"(?m)^namespace: .*$", f"namespace: {namespace}", body)
    return f"# Written by hack/new-instance {name} --from {template}; yours from here on.\n{body}"


def namespace_of(overlay: Path) -> str:
    """Return the namespace that an overlay names."""
    found = re.search(r"(?m)^namespace: *(\S+)", (overlay / "kustomization.yaml").read_text())
    return found[1] if found else "airflow"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hack/new-instance", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="of the overlay, its prefix and its label")
    parser.add_argument("--from", dest="template", default="dev", metavar="OVERLAY", help="the overlay to copy (dev)")
    parser.add_argument("--namespace", help="default: that of the overlay that is copied")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    try:
        written = write(CHECKOUT / "overlays", options.name, options.template, options.namespace)
    except Failure as failure:
        sys.exit(f"hack/new-instance: {failure}")
    print(f"overlays/{written.name}: {', '.join(sorted(path.name for path in written.iterdir()))}")
    print(f"gitsync.yaml says where its DAGs come from; then: make up OVERLAY={written.name}")


if __name__ == "__main__":
    main()
