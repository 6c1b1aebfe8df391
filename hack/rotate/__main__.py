"""Changes secrets of a running instance: where they are kept, in the Secret, and in every pod that has read them.

python3 -m hack.rotate --namespace airflow --prefix dev- rabbitmq/password airflow/fernet-key
python3 -m hack.rotate --namespace airflow --prefix dev- all
python3 -m hack.rotate --prefix prod- gitsync-repository/password=-      a value of yours, from standard input

It may be interrupted and started again. Tasks go on, also while workers are replaced; only for airflow/jwt-secret no
task is started until all that run have ended, because a running one shows its token until its end.
"""

from __future__ import annotations

import argparse
import base64
import secrets
import sys

from hack.rotate.instance import Failure, Instance, Values
from hack.rotate.steps import ADMIN, BROKER, FERNET, GIT_SERVER, JWT, REPOSITORY, ROLES, rotate

ALL = (
    *ROLES, BROKER, FERNET, "airflow/api-secret-key", JWT, ADMIN, "flower/basic-auth", "gitsync/member",
    "gitsync/operator", GIT_SERVER,
)  # fmt: skip


def chosen(instance: Instance, arguments: list[str]) -> Values:
    """The new value of each secret, by NAME/KEY."""
    values: Values = {}
    for argument in arguments:
        path, given, value = argument.partition("=")
        if path == "all":
            values |= {each: fresh(each) for each in ALL if each != GIT_SERVER or instance.has("secret", "git-server")}
            continue
        name, _slash, key = path.partition("/")
        if key not in instance.secret(name):
            raise Failure(f"{path}: the Secret {instance.prefix}{name} has no such key; known are {', '.join(ALL)}")
        values[path] = (sys.stdin.readline().rstrip("\n") if value == "-" else value) if given else fresh(path)
    if GIT_SERVER in values:
        values[REPOSITORY] = values[GIT_SERVER]
    return values


def fresh(path: str) -> str:
    """A new value; raises Failure where only somebody else can make one."""
    if path not in ALL:
        raise Failure(f"{path}: write {path}=-, and the new value to standard input; it comes from elsewhere")
    if path == FERNET:
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    value = secrets.token_urlsafe(64 if path.startswith("airflow/") else 24)
    return f"admin:{value}" if path == "flower/basic-auth" else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("secrets", nargs="+", metavar="NAME/KEY[=VALUE]", help=f"or all: {', '.join(ALL)}")
    parser.add_argument("--namespace", help="default: that of kubectl's context")
    parser.add_argument("--prefix", default="", help="the overlay's namePrefix, as dev-")
    options = parser.parse_args()
    instance = Instance(options.namespace, options.prefix)
    try:
        rotate(instance, chosen(instance, options.secrets))
    except Failure as failure:
        sys.exit(f"hack.rotate: {failure}")
    except KeyboardInterrupt:
        sys.exit("hack.rotate: interrupted; the same command goes on")


if __name__ == "__main__":
    main()
