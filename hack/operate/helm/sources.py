"""The actions of table rows that write gitsync's source: the DAG repository, its ref and its credentials."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from hack.operate.helm import secretive, shapes
from hack.operate.helm.outcome import ByHand, NoEffect

if TYPE_CHECKING:
    from hack.operate.helm.overlay import Overlay

Value = Any
GIT = "GitDagBundle"
FIELDS = {
    "repo_url": "repo",
    "tracking_ref": "ref",
    "subdir": "subdirectory",
    "refresh_interval": "period",
    "submodules": "submodules",
}
"""Fields of a source, by the arguments of Airflow's GitDagBundle."""


def source(overlay: Overlay, value: Value, field: str) -> None:
    """Write a value of git-sync into gitsync.yaml."""
    found = overlay.source
    if field == "rev":
        found |= {} if value == "HEAD" else {"ref": value}
    elif field in ("password", "ssh", "known_hosts"):
        _credentials(overlay, value, field)
    elif field in ("depth", "submodules"):
        found.setdefault("clone", {})[field] = int(value) if field == "depth" else value
    elif field == "period":
        found["period"] = max(1.0, seconds(value))
    elif field == "repo":
        _repository(overlay, shapes.shaped("repo", value))
    elif field == "subdirectory":
        found[field] = posixpath.normpath(str(value).strip("/"))
    else:
        found[field] = value


def _repository(overlay: Overlay, url: str) -> None:
    overlay.source["repo"], user = secretive.without_login(url)
    if user is not None:
        overlay.by_hand("the login in the repository's URL is left out: it goes to the Secret, as the next step says")
        _credentials(overlay, user, "password")


def _credentials(overlay: Overlay, value: Value, field: str) -> None:
    if not isinstance(value, str):
        raise TypeError(field)
    folder, credentials = "/etc/gitsync/repository", overlay.source.setdefault("credentials", {})
    secret = f"the Secret {overlay.name}-gitsync-repository"
    if field == "password":
        credentials |= {"username": "git", "password_file": f"{folder}/password"}
        overlay.by_hand(f"put the Git host's token into {secret}, key password, and its user into gitsync.yaml")
    elif field == "ssh":
        credentials["ssh_key_files"] = [f"{folder}/ssh-key"]
        overlay.by_hand(f"put the SSH key into {secret}, key ssh-key")
    else:
        credentials["known_hosts_files"] = [f"{folder}/known-hosts"]
        overlay.by_hand(f"put the host keys into {secret}, key known-hosts")


def seconds(value: Value) -> float:
    """Seconds, from ``5s``, ``1m30s``, ``100ms`` or a number."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    parts = re.findall(r"([\d.]+)(ms|s|m|h)", str(value))
    return sum(float(number) * units[unit] for number, unit in parts) if parts else float(value)


def git_sync(overlay: Overlay, value: Value) -> None:
    if value is False:
        overlay.without_git = True


def bundles(overlay: Overlay, value: Value) -> None:
    """Write the chart's first bundle from Git as the source. Name each other one that is not a local folder."""
    given = [each for each in shapes.shaped("env", value) if not each["classpath"].endswith("LocalDagBundle")]
    git = [each for each in given if each["classpath"].endswith(GIT)]
    for each in [each for each in given if each not in git[:1]]:
        overlay.by_hand(
            f"the bundle {each['name']} is left out: a bundle from Git is one more of `sources` in gitsync.yaml, "
            "and each bundle is in the setting of base/config/dags.env"
        )
    if not given:
        raise NoEffect("DAGs in a folder of the image are the component embedded-dags")
    if not git:
        raise ByHand("none of the bundles is from Git, so gitsync.yaml has no repository from here")
    _bundle(overlay, git[0].get("kwargs") or {})


def _bundle(overlay: Overlay, given: Value) -> None:
    overlay.from_bundle = True
    for name, field in FIELDS.items():
        if given.get(name) not in (None, ""):
            source(overlay, given[name], field)
    if connection := given.get("git_conn_id"):
        overlay.by_hand(
            f"the login of the bundle, and the address that it does not name, are in the connection {connection}: "
            "write the address into gitsync.yaml, and the token or the key into the Secret "
            f"{overlay.name}-gitsync-repository"
        )
