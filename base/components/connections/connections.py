"""Makes, changes and removes Airflow's connections, variables and pools as three files declare them.

Applying a file again changes nothing. `NAME: null` removes an object. Objects that no file names stay as they are.
`${secret:KEY}` in a value stands for a key of the Secret `connections`. Values are never printed.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

FILES = Path("/etc/connections")
VALUES = FILES / "values"
RENDERED = Path("/tmp/connections.json")  # noqa: S108 - in memory, see container.yaml
CONNECTION_FIELDS = ("conn_type", "description", "host", "login", "password", "schema", "port")
POOL_FIELDS = {"slots", "description", "include_deferred"}

Declared = dict[str, Any]
"""The content of one file: declarations by the objects' names."""


class DeclarationError(Exception):
    """A file or the Secret is wrong, and a person must change it. The message names it."""


def read(name: str) -> Declared:
    """Return a file's declarations, with the Secret's values in place. Without a file, return an empty mapping."""
    file = FILES / name
    declared = (yaml.safe_load(file.read_text()) if file.exists() else None) or {}
    if not isinstance(declared, dict):
        raise DeclarationError(f"{name}: write NAME: VALUE, and not a list")
    return {str(key): resolved(value, f"{name}: {key}") for key, value in declared.items()}


def resolved(value: Any, where: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Return ``value`` with every ${secret:KEY} replaced."""
    if isinstance(value, dict):
        return {key: resolved(item, where) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, where) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{secret:([^}]*)\}", lambda found: secret(found[1], where), value)
    return value


def secret(key: str, where: str) -> str:
    """Return the value of a key of the Secret."""
    file = VALUES / key
    if not key or file.parent != VALUES or not file.is_file():
        raise DeclarationError(f"{where}: the Secret 'connections' has no key '{key}'")
    return file.read_text().rstrip("\n")  # `kubectl create secret --from-file` keeps the newline at a file's end


def apply_connections(session: Session, declared: Declared) -> Iterator[str]:
    """Make connections as declared. Yield the change of each: unchanged, changed, made or removed."""
    from airflow.models import Connection  # noqa: PLC0415 - slow; only after the wait, which needs none of it
    from airflow.secrets.local_filesystem import load_connections_dict  # noqa: PLC0415 - slow
    from sqlalchemy import select  # noqa: PLC0415 - slow

    RENDERED.write_text(json.dumps({name: value for name, value in declared.items() if value is not None}))
    try:
        wanted = load_connections_dict(str(RENDERED))
    finally:
        RENDERED.unlink()
    for name in declared:
        found = session.scalar(select(Connection).where(Connection.conn_id == name))
        if name not in wanted:
            yield removed(session, found)
        elif found and same_connection(found, wanted[name]):
            yield "unchanged"
        else:
            wanted[name].id = found.id if found else None
            session.merge(wanted[name])
            yield "changed" if found else "made"


def same_connection(found: Any, wanted: Any) -> bool:  # noqa: ANN401 - Airflow's, imported late
    """Return whether two connections are equal."""
    # An empty text in a file may be NULL in the database, and the other way round.
    fields = all((getattr(found, each) or None) == (getattr(wanted, each) or None) for each in CONNECTION_FIELDS)
    return fields and bool(found.extra_dejson == wanted.extra_dejson)


def apply_variables(session: Session, declared: Declared) -> Iterator[str]:
    """Make variables as declared. Yield the change of each."""
    from airflow.models import Variable  # noqa: PLC0415 - slow
    from sqlalchemy import select  # noqa: PLC0415 - slow

    for name, value in declared.items():
        found = session.scalar(select(Variable).where(Variable.key == name))
        if value is None:
            yield removed(session, found)
            continue
        wanted = value if isinstance(value, dict) and "value" in value else {"value": value}
        text = wanted["value"] if isinstance(wanted["value"], str) else json.dumps(wanted["value"], indent=2)
        description = wanted.get("description")
        if found and (found.get_val(), found.description) == (text, description):
            yield "unchanged"
        else:
            Variable.set(name, text, description, session=session)
            yield "changed" if found else "made"


def apply_pools(session: Session, declared: Declared) -> Iterator[str]:
    """Make pools as declared. Yield the change of each."""
    from airflow.models import Pool  # noqa: PLC0415 - slow
    from sqlalchemy import select  # noqa: PLC0415 - slow

    for name, value in declared.items():
        found = session.scalar(select(Pool).where(Pool.pool == name))
        if value is None:
            yield removed(session, found)
            continue
        if not isinstance(value, dict) or "slots" not in value or value.keys() - POOL_FIELDS:
            raise DeclarationError(f"pools.yaml: {name}: write slots, and if wanted description and include_deferred")
        wanted = {"description": "", "include_deferred": False, **value}
        if found and all(getattr(found, key) == wanted[key] for key in wanted):
            yield "unchanged"
        else:
            Pool.create_or_update_pool(name, session=session, **wanted)
            yield "changed" if found else "made"


def removed(session: Session, found: object | None) -> str:
    """Remove an object, if it exists. Return the change."""
    if found is None:
        return "unchanged"
    session.delete(found)
    return "removed"


APPLY = {"connections": apply_connections, "variables": apply_variables, "pools": apply_pools}


def apply_all() -> None:
    """Read all files, then apply each in one transaction. Print each change, without values."""
    from airflow.utils.session import create_session  # noqa: PLC0415 - slow

    declared = {kind: read(f"{kind}.yaml") for kind in APPLY}
    for kind, apply in APPLY.items():
        with create_session() as session:
            for name, done in zip(declared[kind], apply(session, declared[kind]), strict=True):
                print(f"{kind}: {name}: {done}", flush=True)


def main() -> None:
    """Wait until the pod's other container has migrated the schema, and apply all files."""
    sys.path.insert(0, "/opt/kube-airflow")
    import wait  # noqa: PLC0415 - beside Airflow in its image

    wait.wait({"sql_alchemy_conn": Path("/run/airflow/sql_alchemy_conn").read_text()})
    try:
        apply_all()
    except (DeclarationError, yaml.YAMLError) as error:
        raise SystemExit(f"connections: {error}") from None


if __name__ == "__main__":
    main()
