"""Ways in which code leads to a file, each a row of impact_ways.yaml: a change of the file must touch the DAG file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.unit.snapshots import compare

if TYPE_CHECKING:
    from gitsync.impact.cache import FactCache

HEADER = """# airflow dag
import glob, importlib, inspect, json, os, pkgutil, subprocess, sys, yaml
from pathlib import Path
from airflow import DAG
HERE = os.path.dirname(os.path.abspath(__file__))
"""
NEWER = """
x = f"{"a" if y else "b"}"  # only Python 3.12 can parse this
"""
ROWS = yaml.safe_load(Path(__file__).with_name("impact_ways.yaml").read_text())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row["code"].split())[:60])
def test_a_change_touches_the_dag_file(cache: FactCache, row: dict[str, Any]) -> None:
    code = HEADER + (NEWER if row.get("newer") else "") + row["code"]
    changed = row["changed"]
    old = {"dags/dag.py": code, "dags/other.py": "# airflow dag", changed: "", **row.get("files", {})}
    found = compare(cache, old, {changed: old[changed] + "\nchanged = 1"}, "dags").files
    assert found is not None
    assert "dag.py" in found
    assert "other.py" not in found
