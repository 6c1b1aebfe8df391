"""Every `.gitsync.yaml` in docs/dag-authors.md is valid, and has the effect that the page describes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from gitsync.impact.rules import NAME, parse
from gitsync.notify.commit_status import _GITHUB, _GITLAB
from gitsync.notify.notice import Kind
from hack.reference_pages import CHECKOUT
from tests.unit.snapshots import DAG, compare

if TYPE_CHECKING:
    from gitsync.impact.cache import FactCache

PAGE = (CHECKOUT / "docs/dag-authors.md").read_text()
EXAMPLES = dict(re.findall(r"(?ms)^### ([^\n]+)\n(?:(?!^#).)*?```yaml\n# \.gitsync\.yaml\n(.*?)```", PAGE))
DBT = "A dbt project"
SQL = "A folder of SQL"
FACTORY = "dag-factory, or a loop over YAML files"
BESIDE = "Code beside the DAG folder"
MODEL = "A model file that workers keep in memory"
FILES = {
    DBT: {
        "dags/dbt_daily.py": DAG + "BashOperator(bash_command='dbt build --project-dir {{ var.value.dbt_project }}')\n",
        "dbt/models/orders.sql": "select 1",
    },
    SQL: {
        "dags/orders.py": DAG + "SQLExecuteQueryOperator(sql='sql/orders/load.sql')\n",
        "dags/customers.py": DAG + "for table in ():\n    SQLExecuteQueryOperator(sql=path_of(table))\n",
        "dags/sql/orders/load.sql": "select 1",
        "dags/sql/customers/address.sql": "select 1",
        "dags/sql/shared/header.sql": "select 1",
    },
    FACTORY: {
        "dags/factory.py": DAG + "import os\nfor name in os.listdir(os.environ['CONFIGS']):\n    build(name)\n",
        "dags/configs/orders.yaml": "schedule: daily",
        "dags/helpers.py": "ONE = 1",
    },
    BESIDE: {
        "dags/etl.py": DAG + "import shop\n",
        "src/shop/__init__.py": "ONE = 1",
        "notebooks/shop.py": "ONE = 1",
    },
    MODEL: {"models/churn.bin": "1"},
}


class Case(NamedTuple):
    example: str
    changed: str
    without: frozenset[str]
    """Files that are touched without the rules."""
    touches: frozenset[str]


CASES = (
    Case(DBT, "dbt/models/orders.sql", frozenset(), frozenset({"dbt_daily.py"})),
    Case(DBT, "dbt/models/new.sql", frozenset(), frozenset({"dbt_daily.py"})),
    Case(SQL, "dags/sql/orders/load.sql", frozenset({"orders.py"}), frozenset({"orders.py"})),
    Case(SQL, "dags/sql/customers/address.sql", frozenset(), frozenset({"customers.py"})),
    Case(SQL, "dags/sql/shared/header.sql", frozenset(), frozenset({"orders.py", "customers.py"})),
    Case(FACTORY, "dags/configs/orders.yaml", frozenset({"factory.py"}), frozenset({"factory.py"})),
    Case(FACTORY, "dags/helpers.py", frozenset({"factory.py"}), frozenset()),
    Case(BESIDE, "src/shop/__init__.py", frozenset({"etl.py"}), frozenset({"etl.py"})),
    Case(BESIDE, "notebooks/shop.py", frozenset({"etl.py"}), frozenset()),
)


def test_every_example_has_a_repository() -> None:
    assert EXAMPLES.keys() == FILES.keys()
    assert PAGE.count("# .gitsync.yaml\n") == len(EXAMPLES)


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_the_parser_takes_the_example(text: str) -> None:
    rules = parse(text.encode())
    assert rules.reads or rules.ignore.lines or rules.roots or rules.restart


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.example}: {case.changed}")
def test_the_rules_narrow_as_the_page_says(cache: FactCache, case: Case) -> None:
    files = {"dags/plain.py": DAG, **FILES[case.example]}
    before = compare(cache, files, {case.changed: "two = 2"}, "dags")
    assert before.files == case.without
    after = compare(cache, {NAME: EXAMPLES[case.example], **files}, {case.changed: "two = 2"}, "dags")
    assert after.files == case.touches


@pytest.mark.parametrize(
    ("example", "changed", "touches"),
    [(DBT, "dbt/models/orders.sql", "dbt_daily.py"), (FACTORY, "dags/helpers.py", "factory.py")],
)
def test_a_new_rule_adds_at_once_and_takes_away_later(
    cache: FactCache, example: str, changed: str, touches: str
) -> None:
    found = compare(cache, FILES[example], {NAME: EXAMPLES[example], changed: "two = 2"}, "dags")
    assert found.files == frozenset({touches})


def test_a_component_restarts_for_a_file_that_it_keeps(cache: FactCache) -> None:
    files = {NAME: EXAMPLES[MODEL], "dags/plain.py": DAG, **FILES[MODEL]}
    assert compare(cache, files, {"models/churn.bin": "2"}, "dags").restart.keys() == {"worker"}


def test_the_statuses_of_a_commit_are_those_that_are_sent() -> None:
    kinds = {
        "waits": Kind.DEFERRED,
        "is live": Kind.PUBLISHED,
        "was refused": Kind.REFUSED,
        "was taken back": Kind.UNDONE,
        "has lost its place to a newer commit": Kind.SUPERSEDED,
    }
    rows = re.findall(r"(?m)^  \| ([a-z ]+) \| (\w+) \| (\w+) \|$", PAGE)
    assert {kinds[text]: (github, gitlab) for text, github, gitlab in rows} == {
        kind: (_GITHUB[kind], _GITLAB[kind]) for kind in _GITHUB
    }
