"""The suites, and the tests of each that must run one after the other."""

from __future__ import annotations

import os

ALL = os.environ.get("ALL") == "1"
"""Whether permutations are run one and all (`make test-all`), where a usual run has each part of them once."""
ORDER = ("cluster", "airflow", "processes", "unit", "manifests", "api")
"""In which suites begin: first those that mostly wait, last those that need what the node is built from."""
SHARED = {"airflow", "api", "chaos", "cluster", "components"}
"""Suites whose tests all use the same Airflow or the same node."""


def suite_of(test: str) -> str:
    """Return the suite of a test: ``unit`` of ``tests/unit/test_git.py::test_x``."""
    return test.split("/")[1]


def group_of(test: str) -> str:
    """Return what a test shares with others: one process runs all tests of a group, in order."""
    suite = suite_of(test)
    return suite if suite in SHARED else test.partition("::")[0]
