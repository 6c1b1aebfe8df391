"""Prints the revisions that a migrated metadata database is at, as JSON: {table of the revision: revision}."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from alembic.script import ScriptDirectory

# Airflow's own migrations, and those of its login, which come after and in a table of their own.
MIGRATIONS = {"alembic_version": "airflow", "alembic_version_fab": "airflow.providers.fab"}


def head(package: str) -> str:
    """Return the newest revision among the migrations that come with ``package``."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is not installed")
    revision: str | None = ScriptDirectory(
        str(Path(spec.submodule_search_locations[0]) / "migrations")
    ).get_current_head()
    if revision is None:
        raise SystemExit(f"{package} has no migrations")
    return revision


if __name__ == "__main__":
    print(json.dumps({table: head(package) for table, package in MIGRATIONS.items()}))
