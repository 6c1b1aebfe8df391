"""What the gate found, as data that goes through JSON."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """One DAG file, or one zip of them."""

    dags: tuple[str, ...] = ()
    error: str | None = None
    """Why Airflow could not import or serialize it, in one line."""
    failure: str | None = None
    """Why the gate could not finish with it (crash, hang, limit), in one line; nothing else is known then."""
    traceback: tuple[str, ...] = ()
    """The last lines of the error's traceback, or of what the process wrote."""
    line: int | None = None
    """Where the error came from in this file, if anywhere in it."""
    origin: str | None = None
    """Where the error was raised in the tree, as ``lib/names.py:3``, if anywhere in it."""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    """To import and serialize."""
    size: int = 0
    """Bytes of the serialized DAGs."""

    @property
    def trouble(self) -> str | None:
        return self.error or self.failure

    @classmethod
    def of(cls, given: dict[str, Any]) -> FileReport:
        lists = {name: tuple(given.get(name, ())) for name in ("dags", "traceback", "warnings")}
        return cls(**{**given, **lists})


@dataclass(frozen=True, kw_only=True)
class Report:
    """All DAG files of a tree, by their path in the DAG folder."""

    files: dict[str, FileReport] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    """The files in which Airflow would look for DAGs, whether parsed now or not."""
    limit: float = 0.0
    """Airflow's limit on an import, in seconds; 0: none."""
    confined: bool = True
    """Whether the kernel kept DAG code off the network."""
    seconds: float = 0.0
    failure: str | None = None
    """Why the gate could not finish with the whole, in one line."""

    @property
    def dags(self) -> frozenset[str]:
        return frozenset(dag for file in self.files.values() for dag in file.dags)

    @property
    def duplicates(self) -> dict[str, tuple[str, ...]]:
        """DAG ids that several files define, and which."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, file in sorted(self.files.items()):
            for dag in dict.fromkeys(file.dags):
                found[dag].append(name)
        return {dag: tuple(names) for dag, names in found.items() if len(names) > 1}

    def over(self, base: Report) -> Report:
        """This report, with what it did not parse again taken from ``base``."""
        known = {name: base.files[name] for name in self.listed if name in base.files}
        return Report(**{**vars(self), "files": known | self.files})

    @classmethod
    def of(cls, given: dict[str, Any]) -> Report:
        files = {name: FileReport.of(file) for name, file in given["files"].items()}
        return cls(**{**given, "files": files, "listed": tuple(given["listed"])})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
