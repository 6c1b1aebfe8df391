"""Changes secrets of a running instance: in the server, in the Secret, and in every pod that has read them.

hack/kube-airflow rotate --overlay dev rabbitmq/password airflow/fernet-key
hack/kube-airflow rotate --overlay dev all
hack/kube-airflow rotate --overlay prod gitsync-repository/password=-      a value of your own, from standard input

It may be interrupted and started again. Tasks go on, also while workers are replaced. Only airflow/jwt-secret needs a
pause, because a running task uses its token until its end: no task starts until all running ones have ended.
"""

from __future__ import annotations

import base64
import secrets
import sys
from typing import TYPE_CHECKING

from hack.operate import options
from hack.operate.errors import Failure
from hack.operate.rotate.steps import ADMIN, BROKER, FERNET, GIT_SERVER, JWT, REPOSITORY, ROLES, rotate

if TYPE_CHECKING:
    import argparse

    from hack.operate.instance import Instance, Values

ALL = (
    *ROLES, BROKER, FERNET, "airflow/api-secret-key", JWT, ADMIN, "flower/basic-auth", "gitsync/member",
    "gitsync/operator", GIT_SERVER,
)  # fmt: skip


def chosen(instance: Instance, words: list[str]) -> Values:
    """The new value of each secret, by NAME/KEY."""
    values: Values = {}
    for argument in words:
        path, given, value = argument.partition("=")
        if path == "all":
            values |= {each: fresh(each) for each in ALL if each != GIT_SERVER or instance.find("secret", "git-server")}
            continue
        name, _slash, key = path.partition("/")
        if key not in (instance.values(name) or {}):
            raise Failure(f"{path}: the Secret {instance.named(name)} has no such key; known are {', '.join(ALL)}")
        values[path] = (sys.stdin.readline().rstrip("\n") if value == "-" else value) if given else fresh(path)
    if GIT_SERVER in values:
        values[REPOSITORY] = values[GIT_SERVER]
    return values


def fresh(path: str) -> str:
    """Make a new value. Raises Failure for a secret that another service defines."""
    if path not in ALL:
        raise Failure(f"{path}: another service defines it; write {path}=-, and the new value to standard input")
    if path == FERNET:
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    value = secrets.token_urlsafe(64 if path.startswith("airflow/") else 24)
    return f"admin:{value}" if path == "flower/basic-auth" else value


def arguments(parser: argparse.ArgumentParser) -> None:
    options.instance(parser)
    parser.add_argument("secrets", nargs="+", metavar="NAME/KEY[=VALUE]", help=f"or all: {', '.join(ALL)}")


def run(given: argparse.Namespace) -> None:
    instance = options.chosen(given)
    try:
        rotate(instance, chosen(instance, given.secrets))
    except KeyboardInterrupt:
        raise Failure("interrupted; the same command goes on") from None
