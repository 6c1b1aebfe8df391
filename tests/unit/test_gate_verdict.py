"""The gate's verdict: one sentence or none, from the reports of a candidate and of the published revision."""

from __future__ import annotations

import re

import pytest

from gitsync.airflow.gate.options import GatePolicy
from gitsync.airflow.gate.report import FileReport, GateReport
from gitsync.airflow.gate.verdict import problems, refusal


def good(*dags: str, seconds: float = 1.0) -> FileReport:
    return FileReport(dags=dags, seconds=seconds)


def bad(error: str = "ModuleNotFoundError: No module named 'x'", *dags: str) -> FileReport:
    return FileReport(error=error, dags=dags)


def report(**files: FileReport) -> GateReport:
    return GateReport(files={f"{name}.py": file for name, file in files.items()}, listed=tuple(files), limit=30.0)


CRASH = FileReport(failure="crashed with SIGSEGV")
BASE = report(a=good("one"), b=good("two"))


@pytest.mark.parametrize(
    ("found", "base", "why"),
    [
        pytest.param(BASE, BASE, None, id="the-same"),
        pytest.param(report(a=bad(), b=good("two")), BASE, r"worse than .* a.py: ModuleNotFound.* 'x'$", id="error"),
        pytest.param(report(a=bad(), b=good("two")), report(a=bad(), b=good("two")), None, id="was-broken-before"),
        pytest.param(report(a=good("one"), b=good("two"), c=bad()), BASE, "c.py: Mod", id="a-new-file-is-broken"),
        pytest.param(report(a=good("one"), b=CRASH), BASE, "b.py: crashed with SIGSEGV", id="crash"),
        pytest.param(report(a=good("one"), b=CRASH), report(a=good("one"), b=CRASH), None, id="crashed-before"),
        pytest.param(
            report(z=bad("E: 2", "one")), report(z=bad("E: 1", "one", "two")), "to errors: two$", id="a-zip-lost-one"
        ),
        pytest.param(
            report(a=good("one"), b=good("one", "two")), BASE, "DAG one is in a.py and b.py", id="a-duplicate"
        ),
        pytest.param(
            report(a=good("one"), b=good("one")), report(a=good("one"), b=good("one")), None, id="an-old-duplicate"
        ),
        pytest.param(report(), BASE, "no DAG is left of 2 DAGs", id="zero-dags"),
        pytest.param(report(), report(), None, id="never-any-dag"),
        pytest.param(report(a=good("one")), BASE, None, id="a-dag-was-removed"),
        pytest.param(report(a=good("one", seconds=31), b=good("two")), BASE, "limit of 30 s: a.py: 31 s", id="slow"),
        pytest.param(report(a=good("one", seconds=31)), report(a=good("one", seconds=40)), None, id="was-slow-before"),
        pytest.param(report(a=bad()), None, None, id="nothing-published"),
        pytest.param(
            GateReport(failure="not done after 300 s"),
            None,
            "could not finish: not done after 300 s",
            id="not-finished",
        ),
        pytest.param(
            report(a=bad("E: 1"), b=bad("E: 2"), c=bad("E: 3"), d=bad("E: 4")), BASE,
            r"a.py: E: 1; b.py: E: 2; c.py: E: 3 and 1 more;", id="three-are-named",
        ),
    ],
)  # fmt: skip
def test_no_worse(found: GateReport, base: GateReport | None, why: str | None) -> None:
    said = refusal(GatePolicy.NO_WORSE, found, base)
    assert (said is None) if why is None else (said is not None and re.search(why, said)), said


@pytest.mark.parametrize("found", [report(a=bad()), report(a=CRASH), report(a=good("one"), b=good("one"))])
def test_strict_refuses_what_was_so_before_and_off_nothing(found: GateReport) -> None:
    assert refusal(GatePolicy.NO_WORSE, found, found) is None
    assert refusal(GatePolicy.STRICT, found, found) is not None
    assert refusal(GatePolicy.OFF, found, None) is None
    assert refusal(GatePolicy.STRICT, BASE, None) is None


def test_what_was_not_parsed_again_is_taken_from_the_base() -> None:
    found = GateReport(files={"a.py": bad()}, listed=("a.py", "b.py"))
    assert found.over(BASE).files == {"a.py": bad(), "b.py": good("two")}
    assert GateReport(listed=("b.py",)).over(BASE).files == {"b.py": good("two")}, "a deleted file stays in"


def test_a_report_survives_json() -> None:
    assert GateReport.of(BASE.as_json()) == BASE


@pytest.mark.parametrize("policy", GatePolicy)
@pytest.mark.parametrize("base", [None, BASE, report(a=bad("E: 1", "one", "two")), report()])
@pytest.mark.parametrize(
    "found",
    [BASE, report(a=bad()), report(a=good("x"), b=good("x")), report(a=good("one", seconds=31)), report(a=CRASH),
     report(), GateReport(failure="not done after 300 s")],
)  # fmt: skip
def test_there_are_problems_exactly_when_it_is_refused(
    found: GateReport, base: GateReport | None, policy: GatePolicy
) -> None:
    assert bool(problems(policy, found, base)) == bool(refusal(policy, found, base))


def test_every_problem_has_its_file_and_its_line() -> None:
    error = FileReport(error="NameError: x", line=3, origin="lib/helper.py:7")
    found = report(a=error, b=good("one", seconds=31), c=good("one"))
    assert problems(GatePolicy.STRICT, found, None) == [
        ("a.py", "NameError: x (at lib/helper.py:7)", 3),
        ("c.py", "DAG one is also in b.py", None),
        ("b.py", "the import took 31 s, and Airflow's limit is 30 s", None),
    ]
