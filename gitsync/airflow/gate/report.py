"""The gate's reports, which travel to the controller as JSON."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gitsync.airflow.trace import Trace

LONGEST_TEXT = 8192
"""Characters of one text."""
MOST_NUMBER = 1e15
MOST_TEXTS = 10_000
"""Texts in one list; a file with more DAGs is none that Airflow could schedule."""


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """The result for one DAG file, or one zip of DAG files."""

    dags: tuple[str, ...] = ()
    error: str | None = None
    """Airflow's import or serialization error, in one line."""
    failure: str | None = None
    """The reason why the gate could not finish (crash, hang, limit), in one line. The other fields are empty then."""
    traceback: tuple[str, ...] = ()
    """The last lines of the error's traceback, or of the process's output."""
    line: int | None = None
    """The last line of this file in the traceback; None if this file is not in it."""
    origin: str | None = None
    """The place in the tree that raised the error, such as ``lib/names.py:3``; None if it was outside the tree."""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    """Time to import and serialize."""
    size: int = 0
    """Bytes of the serialized DAGs."""
    trace: Trace | None = None
    """The files that it used; None if it was not traced, or failed."""

    @property
    def trouble(self) -> str | None:
        return self.error or self.failure

    @classmethod
    def of(cls, given: Any) -> FileReport:  # noqa: ANN401 - whatever JSON holds
        """A report from JSON. DAG code can write any JSON in its place: raises ValueError for what is no report."""
        if not isinstance(given, dict) or not given.keys() <= {each.name for each in fields(cls)}:
            raise ValueError("not the fields of a report")
        return cls(
            dags=_texts(given.get("dags", [])),
            error=_text_or_none(given.get("error")),
            failure=_text_or_none(given.get("failure")),
            traceback=_texts(given.get("traceback", [])),
            origin=_text_or_none(given.get("origin")),
            warnings=_texts(given.get("warnings", [])),
            line=None if given.get("line") is None else int(_number(given["line"])),
            seconds=_number(given.get("seconds", 0)),
            size=int(_number(given.get("size", 0))),
            trace=None if given.get("trace") is None else Trace.of(given["trace"]),
        )


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """The results for a tree; ``files`` has them by path in the DAG folder."""

    files: dict[str, FileReport] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    """The files in which Airflow would look for DAGs, also those that were not parsed this time."""
    limit: float = 0.0
    """Airflow's limit on an import, in seconds; 0: no limit."""
    confined: bool = True
    """Whether the kernel kept DAG code off the network."""
    seconds: float = 0.0
    failure: str | None = None
    """The reason why the gate could not finish with the tree, in one line."""

    @property
    def dags(self) -> frozenset[str]:
        return frozenset(dag for file in self.files.values() for dag in file.dags)

    @property
    def duplicates(self) -> dict[str, tuple[str, ...]]:
        """DAG ids that several files define, with these files in alphabetical order."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, file in sorted(self.files.items()):
            for dag in dict.fromkeys(file.dags):
                found[dag].append(name)
        return {dag: tuple(names) for dag, names in found.items() if len(names) > 1}

    def over(self, base: GateReport) -> GateReport:
        """This report, completed from ``base`` with the files that were not parsed again."""
        known = {name: base.files[name] for name in self.listed if name in base.files}
        return GateReport(**{**vars(self), "files": known | self.files})

    @classmethod
    def of(cls, given: Any) -> GateReport:  # noqa: ANN401 - whatever JSON holds
        """A report from JSON. Raises ValueError for what is no report."""
        if not isinstance(given, dict) or given.keys() != {each.name for each in fields(cls)}:
            raise ValueError("not the fields of a gate's report")
        if not isinstance(given["files"], dict) or not isinstance(given["confined"], bool):
            raise ValueError("a gate's report with fields of other types")
        return cls(
            files={_text(name): FileReport.of(file) for name, file in given["files"].items()},
            listed=_texts(given["listed"], most=None),
            limit=_number(given["limit"]),
            confined=given["confined"],
            seconds=_number(given["seconds"]),
            failure=_text_or_none(given["failure"]),
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class CheckReport:
    """How the repository's own check ended."""

    failure: str | None
    """Why it failed, in one line."""
    output: tuple[str, ...] = ()
    """The last lines that it wrote."""

    @classmethod
    def of(cls, given: Any) -> CheckReport:  # noqa: ANN401 - whatever JSON holds
        """A report from JSON. Raises ValueError for what is no report."""
        if not isinstance(given, dict) or given.keys() != {"failure", "output"}:
            raise ValueError("not the fields of a check's report")
        return cls(_text_or_none(given["failure"]), _texts(given["output"]))


def _text(given: object) -> str:
    if not isinstance(given, str) or len(given) > LONGEST_TEXT:
        raise ValueError(f"not a text of at most {LONGEST_TEXT} characters")
    return given


def _text_or_none(given: object) -> str | None:
    return None if given is None else _text(given)


def _texts(given: object, *, most: int | None = MOST_TEXTS) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or (most is not None and len(given) > most):
        raise ValueError(f"not a list of at most {most} texts")
    return tuple(map(_text, given))


def _number(given: object) -> float:
    """Finite, and not below 0."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= MOST_NUMBER:
        raise ValueError("not a number that a report can have")
    return given
