"""The protocol between controller and members: each side reads a newer one, and refuses what is no report."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gitsync.protocol import Directive, MemberReport


def test_each_side_understands_a_newer_one() -> None:
    directive = Directive(serial="a-1", epoch=3, revision="f" * 40, keep=("e" * 40,), settled=False)
    assert Directive.parse(json.loads(json.dumps({**directive.as_json(), "new": 1}))) == directive
    report = MemberReport(
        "uid", current="f" * 40, epoch=3, staged=("f" * 40,), flipped_at="2026-01-01T00:00:00.000001+00:00"
    )
    assert MemberReport.parse(json.loads(json.dumps({**report.as_json(), "new": 1}))) == report


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        {"pod_uid": 1},
        {"pod_uid": "a" * 101},
        {"pod_uid": "a", "epoch": "1"},
        {"pod_uid": "a", "epoch": 10**400},
        {"pod_uid": "a", "epoch": -1},
        {"pod_uid": "a", "epoch": True},
        {"pod_uid": "a", "flipped_at": 1},
        {"pod_uid": "a", "flipped_at": "yesterday"},
        {"pod_uid": "a", "current": "main"},
        {"pod_uid": "a", "staged": "f" * 40},
        {"pod_uid": "a", "staged": [["f" * 40]]},
        {"pod_uid": "a", "error": ["x"]},
    ],
)
def test_what_is_no_report_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=" "):
        MemberReport.parse(wrong)
