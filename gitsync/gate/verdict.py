"""Whether a candidate may be published, from what the gate found in it and in the published revision. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gitsync.gate.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

T = TypeVar("T")

NAMED = 3
"""How many files a sentence names."""


def refusal(policy: str, found: Report, base: Report | None) -> str | None:
    """One sentence that says why the candidate is refused, or None.

    ``base`` is what the same gate found in the published revision; None when nothing is published, and then nothing can
    be worse: ``no-worse`` admits whatever the gate could finish with.
    """
    if policy == "off":
        return None
    if found.failure:
        return f"the gate could not finish: {found.failure}"
    if policy == "no-worse" and base is None:
        return None
    reasons = list(_reasons(found, base if policy == "no-worse" and base else Report()))
    if policy == "no-worse" and base and base.dags and not found.dags:
        reasons.append(f"no DAG is left of {_counted(len(base.dags), 'DAG')}")
    return "; ".join(reasons) or None


def _reasons(found: Report, base: Report) -> Iterator[str]:
    worse = {name: file.trouble for name, file in found.files.items() if file.trouble and not _broken(base, name)}
    if worse:
        yield f"worse than what is published: {_named(worse)}" if base.files else _named(worse)
    if lost := sorted(_lost(found, base, worse)):
        yield f"{_counted(len(lost), 'DAG')} lost to errors: {_listed(lost)}"
    duplicates = {dag: files for dag, files in found.duplicates.items() if dag not in base.duplicates}
    if duplicates:
        yield "; ".join(f"DAG {dag} is in {' and '.join(files[:NAMED])}" for dag, files in _first(duplicates.items()))
    slow = {name: f"{file.seconds:.0f} s" for name, file in found.files.items() if _slow(found, name)}
    if slow := {name: took for name, took in slow.items() if name not in worse and not _slow(base, name)}:
        yield f"imports take longer than Airflow's limit of {found.limit:g} s: {_named(slow)}"


def _broken(base: Report, name: str) -> bool:
    return name in base.files and base.files[name].trouble is not None


def _lost(found: Report, base: Report, worse: dict[str, str]) -> Iterator[str]:
    """DAGs of files that were broken before and now have fewer DAGs: a file that is worse has been named already."""
    for name, file in base.files.items():
        if name not in worse and name in found.files and found.files[name].trouble:
            yield from set(file.dags) - found.dags


def _slow(report: Report, name: str) -> bool:
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
