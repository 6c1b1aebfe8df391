"""Makes the Secrets that the manifests need and that are missing. It never changes an existing value.

hack/kube-airflow secrets --overlay dev                            on the cluster that kubectl talks to
hack/kube-airflow secrets --overlay prod --output secrets/prod     as files, to be encrypted and kept in Git
hack/kube-airflow secrets --overlay dev --print-admin
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hack.operate import options
from hack.operate.errors import Failure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from hack.operate.instance import Instance, Values
    from hack.operate.overlay import Names


def password() -> str:
    return secrets.token_urlsafe(24)


def fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def wanted(*, dev: bool) -> dict[str, Values]:
    """Return new values for all Secrets of the manifests, by their names without the prefix."""
    databases = ("postgres", "airflow", "celery", "gitsync")
    values = {
        "postgres": {f"{role}-password": password() for role in databases},
        "rabbitmq": {"password": password()},
        "airflow": {
            "fernet-key": fernet_key(),
            "api-secret-key": secrets.token_urlsafe(64),  # HS512 needs a key of 512 bits
            "jwt-secret": secrets.token_urlsafe(64),
            "admin-password": password(),
        },
        "flower": {"basic-auth": f"admin:{password()}"},
        "gitsync": {"member": password(), "operator": password()},
    }
    if dev:
        values["git-server"] = {"password": password()}
        values["gitsync-repository"] = {"password": ""}  # `make` copies the git-server's password
    return values


def preset(values: dict[str, Values], given: Iterable[str]) -> None:
    """Replace generated values by those of ``--value NAME/KEY=VALUE``. Raises Failure."""
    for each in given:
        path, is_set, value = each.partition("=")
        name, _slash, key = path.partition("/")
        if not is_set or key not in values.get(name, {}):
            known = ", ".join(f"{name}/{key}" for name, keys in values.items() for key in keys)
            raise Failure(f"--value {path}: write NAME/KEY=VALUE, with NAME/KEY one of {known}")
        values[name][key] = value
    if "," in values["flower"]["basic-auth"]:
        raise Failure("flower/basic-auth: Flower takes a comma for the start of another user; leave it out")


class Place(Protocol):
    """A store of Secrets, by their names without the prefix."""

    def values(self, name: str) -> Values | None:
        """Return the values of a Secret; None if it does not exist."""

    def create(self, name: str, values: Values) -> None:
        """Make a Secret that does not exist."""

    def add(self, name: str, values: Values) -> None:
        """Add keys to an existing Secret."""


@dataclass(frozen=True)
class InCluster:
    """The Secrets of an instance on a cluster."""

    instance: Instance

    def values(self, name: str) -> Values | None:
        return self.instance.values(name)

    def create(self, name: str, values: Values) -> None:
        self.instance.kubectl("create", "--filename=-", stdin=manifest(self.instance.named(name), values))

    def add(self, name: str, values: Values) -> None:
        self.instance.put(name, dict(values))


class Directory:
    """Secrets as files, one manifest each."""

    def __init__(self, path: Path, names: Names) -> None:
        self._path = path
        self._names = names
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def values(self, name: str) -> Values | None:
        """Return the values in a Secret's file; None without a file."""
        file = self._file(name)
        if not file.exists():
            return None
        try:
            values: Values = json.loads(file.read_text())["stringData"]
        except (ValueError, KeyError) as error:
            raise Failure(f"{file} does not have the format that this program writes; move it away") from error
        return values

    def create(self, name: str, values: Values) -> None:
        """Write a new file."""
        file = self._file(name)
        file.touch(mode=0o600)
        file.write_text(manifest(self._names.of(name), values))

    def add(self, name: str, values: Values) -> None:
        """Write a file again with further keys."""
        self.create(name, {**(self.values(name) or {}), **values})

    def _file(self, name: str) -> Path:
        return self._path / f"{self._names.of(name)}.yaml"


def manifest(name: str, values: Values) -> str:
    """Return a Secret as JSON. JSON is valid YAML with any characters in the values."""
    content = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "kube-airflow"}},
        "stringData": values,
    }
    return json.dumps(content, indent=2) + "\n"


def make(place: Place, *, dev: bool, given: Iterable[str] = ()) -> None:
    """Make the missing values, and print their keys. ``given`` are values as ``NAME/KEY=VALUE``. Raises Failure."""
    values = wanted(dev=dev)
    preset(values, given)
    for name, fresh in values.items():
        if name == "gitsync-repository" and not fresh["password"]:
            fresh = {"password": (place.values("git-server") or {})["password"]}  # noqa: PLW2901 - a given value counts more
        existing = place.values(name)
        missing = {key: value for key, value in fresh.items() if key not in (existing or {})}
        if existing is None:
            place.create(name, missing)
        elif missing:
            place.add(name, missing)
        if missing:
            print(f"{name}: made {', '.join(missing)}")


def provide(instance: Instance, *, dev: bool = False, given: Iterable[str] = ()) -> None:
    """Make the missing Secrets of an instance on a cluster. ``dev``: also a Git server's, if the overlay has none."""
    make(InCluster(instance), dev=dev or instance.has_git_server, given=given)


def admin_password(place: Place) -> str:
    """Return the password of Airflow's user admin."""
    found = (place.values("airflow") or {}).get("admin-password")
    if found is None:
        raise Failure("there is no admin-password in a Secret airflow with that prefix; run without --print-admin")
    return found


def arguments(parser: argparse.ArgumentParser) -> None:
    options.instance(parser)
    parser.add_argument(
        "--dev", action="store_true", help="also make a Git server's Secrets; with --overlay the build decides"
    )
    parser.add_argument(
        "--value",
        action="append",
        default=[],
        metavar="NAME/KEY=VALUE",
        help="a value of your own; other users of the machine can see it",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIRECTORY", help="write manifests into this directory, and touch no cluster"
    )
    parser.add_argument("--print-admin", action="store_true", help="print the password of the user admin")


def run(given: argparse.Namespace) -> None:
    if given.output:
        names, dev = options.names(given)
        place: Place = Directory(given.output, names)
    else:
        instance = options.chosen(given)
        place, dev = InCluster(instance), instance.has_git_server
    if given.print_admin:
        print(admin_password(place))
    else:
        make(place, dev=dev or given.dev, given=given.value)
