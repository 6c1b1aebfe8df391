"""Every pinned version has exactly one row with the end of its makers' support."""

from __future__ import annotations

import datetime
import re
from collections import Counter

import pytest

from hack.lab import versions
from hack.lab.addons import crds, modules
from hack.lab.images.catalog import IMAGES
from hack.lab.node import toolchain
from hack.reference_pages import CHECKOUT

OWN = {f"kube-airflow/{name}" for name in ("gitsync", "git-server")}
ROWS = [row for found in versions.rows().values() for row in found]


def test_every_pin_has_one_row() -> None:
    assert Counter(row.pin for row in ROWS) == Counter(set(versions.pins()) - OWN)


def test_every_program_definition_and_image_is_a_pin() -> None:
    folders = {file.parent.name for where in (toolchain.GO_MODULES, modules.FOLDER) for file in where.glob("*/go.mod")}
    assert {module.name for module in versions.programs()} == folders
    found = {module.main for module in versions.programs()} | {source.module for source in crds.SOURCES}
    assert found | {image.repository for image in IMAGES} <= versions.pins().keys()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.program)
def test_a_row_is_about_the_series_that_is_pinned(row: versions.Row) -> None:
    """A bump to another series asks for its end of life."""
    same = row.version == row.series or row.version.startswith(f"{row.series}.")
    assert same, f"{row.program} is {row.version}: write the end of that series into hack/lab/versions.yaml"


def test_the_airflow_that_is_asked_for_is_locked_and_is_the_images() -> None:
    asked, locked = (
        re.findall(r"^apache-airflow==(\S+)", (CHECKOUT / "requirements" / name).read_text(), re.MULTILINE)
        for name in ("airflow.in", "airflow.txt")
    )
    assert asked == locked == [versions.pins()["kube-airflow/airflow"]], "run requirements/compile"


def test_the_day_decides_what_is_past() -> None:
    (row,) = [row for row in ROWS if row.program == "PostgreSQL"]
    assert isinstance(row.until, datetime.date)
    assert row not in versions.left(row.until)
    assert row in versions.left(row.until + datetime.timedelta(days=1))


def test_the_page_names_a_stand_in_of_another_series() -> None:
    assert versions.stand_ins()
    for name, series in versions.stand_ins().items():
        (row,) = [row for row in ROWS if row.pin == name]
        assert f" | {row.version} | " in versions.page()
        assert versions.remark(row).startswith(f"the node's stand-in is {series}")
