"""Prints the newest migration of Airflow and of its login, as JSON: {Alembic's version table: revision}.

`wait.py` compares the metadata database with this output, which the image build keeps as a file.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from alembic.script import ScriptDirectory

# The migrations of Airflow's login (FAB) have a version table of their own.
MIGRATIONS = {"alembic_version": "airflow", "alembic_version_fab": "airflow.providers.fab"}


def head(package: str) -> str:
    """Return the newest revision among the migrations of ``package``."""
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
