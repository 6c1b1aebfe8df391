"""Judges a candidate by two reports: the candidate's, and the published revision's. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from gitsync.airflow.gate.options import GatePolicy
from gitsync.airflow.gate.report import GateReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

T = TypeVar("T")

NAMED = 3
"""Files or DAGs that a message names; the message counts the rest."""


class Problem(NamedTuple):
    """One reason to refuse a candidate."""

    file: str
    """Path in the DAG folder; empty if the problem concerns the whole tree."""
    text: str
    line: int | None = None


class _Worse(NamedTuple):
    """The points in which a candidate is worse than the base."""

    files: dict[str, str]
    """Files with a new error, and the error."""
    lost: dict[str, str]
    """DAGs that are gone from a file with an error, and the file."""
    duplicates: dict[str, tuple[str, ...]]
    slow: dict[str, str]
    none_left: int
    """The number of DAGs in the base if the candidate has none; else 0."""


def refusal(policy: GatePolicy, found: GateReport, base: GateReport | None) -> str | None:
    """The reason to refuse the candidate, in one sentence, or None.

    ``found`` is the candidate's report. ``base`` is the published revision's, by the same gate; None before the first
    publication. Without a base ``no-worse`` admits every candidate that the gate could finish with.
    """
    if policy is GatePolicy.OFF:
        return None
    if found.failure:
        return f"the gate could not finish: {found.failure}"
    if policy is GatePolicy.NO_WORSE and base is None:
        return None
    compared = base if policy is GatePolicy.NO_WORSE and base else GateReport()
    return "; ".join(_reasons(_worse(found, compared), found, compared)) or None


def problems(policy: GatePolicy, found: GateReport, base: GateReport | None) -> list[Problem]:
    """The reasons of `refusal`, one by one. The list is empty if and only if `refusal` is None."""
    if policy is GatePolicy.OFF or (policy is GatePolicy.NO_WORSE and base is None and not found.failure):
        return []
    if found.failure:
        return [Problem("", f"the gate could not finish: {found.failure}")]
    return list(_each(_worse(found, base if policy is GatePolicy.NO_WORSE and base else GateReport()), found))


def _worse(found: GateReport, base: GateReport) -> _Worse:
    files = {name: file.trouble for name, file in found.files.items() if file.trouble and not _broken(base, name)}
    slow = {name: f"{file.seconds:.0f} s" for name, file in found.files.items() if _slow(found, name)}
    return _Worse(
        files=files,
        lost=_lost(found, base, files),
        duplicates={dag: names for dag, names in found.duplicates.items() if dag not in base.duplicates},
        slow={name: took for name, took in slow.items() if name not in files and not _slow(base, name)},
        none_left=0 if found.dags else len(base.dags),
    )


def _reasons(worse: _Worse, found: GateReport, base: GateReport) -> Iterator[str]:
    if worse.files:
        yield f"worse than what is published: {_named(worse.files)}" if base.files else _named(worse.files)
    if worse.lost:
        yield f"{_counted(len(worse.lost), 'DAG')} lost to errors: {_listed(sorted(worse.lost))}"
    if pairs := worse.duplicates:
        yield "; ".join(f"DAG {dag} is in {' and '.join(files[:NAMED])}" for dag, files in _first(pairs.items()))
    if worse.slow:
        yield f"imports take longer than Airflow's limit of {found.limit:g} s: {_named(worse.slow)}"
    if worse.none_left:
        yield f"no DAG is left of {_counted(worse.none_left, 'DAG')}"


def _each(worse: _Worse, found: GateReport) -> Iterator[Problem]:
    for name, why in sorted(worse.files.items()):
        line, origin = found.files[name].line, found.files[name].origin
        elsewhere = f" (at {origin})" if origin and origin != f"{name}:{line}" else ""
        yield Problem(name, f"{why}{elsewhere}", line)
    for dag, name in sorted(worse.lost.items()):
        yield Problem(name, f"DAG {dag} is lost to an error", found.files[name].line)
    for dag, names in sorted(worse.duplicates.items()):
        yield Problem(names[-1], f"DAG {dag} is also in {' and '.join(names[:-1])}")
    for name, took in sorted(worse.slow.items()):
        yield Problem(name, f"the import took {took}, and Airflow's limit is {found.limit:g} s")
    if worse.none_left:
        yield Problem("", f"no DAG is left of {_counted(worse.none_left, 'DAG')}")


def _broken(base: GateReport, name: str) -> bool:
    return name in base.files and base.files[name].trouble is not None


def _lost(found: GateReport, base: GateReport, worse: dict[str, str]) -> dict[str, str]:
    """DAGs that are gone from files that had an error before, too; ``worse`` has the files with a new error."""
    return {
        dag: name
        for name, file in base.files.items()
        if name not in worse and name in found.files and found.files[name].trouble
        for dag in set(file.dags) - found.dags
    }


def _slow(report: GateReport, name: str) -> bool:
    return 0 < report.limit < (report.files[name].seconds if name in report.files else 0.0)


def _named(files: dict[str, str]) -> str:
    text = "; ".join(f"{name}: {why}" for name, why in _first(sorted(files.items())))
    return text + _rest(len(files))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + _rest(len(names))


def _rest(count: int) -> str:
    return f" and {count - NAMED} more" if count > NAMED else ""


def _first(items: Iterable[T]) -> list[T]:
    return list(items)[:NAMED]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
