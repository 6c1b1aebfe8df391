"""Judges revisions with the gate, and keeps reports and verdicts, so that the gate never does the same work twice."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from gitsync.airflow.gate.report import CheckReport, GateReport
from gitsync.airflow.gate.verdict import refusal
from gitsync.errors import GateLost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitsync.airflow.gate.options import GateOptions
    from gitsync.airflow.trace import Trace
    from gitsync.gate.client import GateClient

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

GRACE_SECONDS = 30.0
"""Added to the gate's own time limits, so that the gate's answer comes before the client gives up."""
KEPT = 50
"""Reports to keep on the volume, one for each revision."""
LOST_AT_MOST = 2
"""Number of times that the gate may end during the work on one revision. Then the revision is refused."""
LONGEST_LINE = 300


@dataclass
class _Known:
    """The kept report and verdicts of one revision: one file in ``reports_dir``."""

    environment: str
    """A digest of Airflow, packages and settings. The report is valid only for this environment."""
    report: GateReport
    verdicts: dict[str, str | None] = field(default_factory=dict)
    """The reason of each refusal, or None, by a digest of the base and the options."""


class Gatekeeper:
    """The gate of one source. ``reports_dir`` is for this source only. The gate sees trees under the same paths."""

    def __init__(
        self,
        options: GateOptions,
        client: GateClient,
        reports_dir: Path,
        *,
        subdirectory: str = "",
        bundle: str = "dags",
    ) -> None:
        self._options = options
        self._client = client
        self._reports = reports_dir
        self._subdirectory = subdirectory
        self._bundle = bundle
        self._lost: dict[str, int] = {}

    def admit(
        self,
        revision: str,
        tree: Path,
        base_revision: str | None,
        base_tree: Path | None,
        touched: frozenset[str] | None,
    ) -> str | None:
        """Give the reason to refuse a revision, in one sentence; None if it may be published.

        ``tree`` and ``base_tree`` are whole trees. ``touched`` has the DAG files that may differ from the base's, as
        paths in the DAG folder; None: all. Raises GateError if the gate does not answer; the revision then waits.
        """
        if not self._options.asks:
            return None
        environment = self._environment(self._client.about())
        key = _digest([base_revision, self._options.as_json()])
        known = self._read(revision, environment)
        if known is not None and key in known.verdicts:
            return known.verdicts[key]
        try:
            known, why = self._judge(revision, tree, base_revision, base_tree, touched, environment)
        except GateLost as error:
            self._lost[revision] = self._lost.get(revision, 0) + 1
            if self._lost[revision] < LOST_AT_MOST:
                raise
            known, why = _Known(environment, GateReport(failure=str(error))), f"{error}, {LOST_AT_MOST} times"
        known.verdicts[key] = why
        self._note(revision, known)
        log.info("gate.admitted" if why is None else "gate.refused", extra={"revision": revision, "why": why})
        return why

    def traces(self, revision: str) -> dict[str, Trace]:
        """What the gate saw the DAG files of a revision use, by their paths in the DAG folder, as far as it is kept."""
        known = self._read(revision)
        return {} if known is None else {name: file.trace for name, file in known.report.files.items() if file.trace}

    def know(self, revision: str, tree: Path) -> None:
        """Import the DAG files of a revision, unless its report is kept. Raises GateError and GateLost."""
        self._base(revision, tree, self._environment(self._client.about()))

    def _judge(
        self,
        revision: str,
        tree: Path,
        base_revision: str | None,
        base_tree: Path | None,
        touched: frozenset[str] | None,
        environment: str,
    ) -> tuple[_Known, str | None]:
        base = self._base(base_revision, base_tree, environment)
        known = self._read(revision, environment)
        if known is None:
            report = self._parse(revision, tree, base, touched)
            known = _Known(environment, report)
        why = refusal(self._options.policy, known.report, base)
        return known, why or self._check(tree)

    def _base(self, revision: str | None, tree: Path | None, environment: str) -> GateReport | None:
        if revision is None:
            return None
        if (known := self._read(revision, environment)) is not None:
            return known.report
        if tree is None:
            return None
        report = self._parse(revision, tree, None, None)
        if report.failure is None:
            self._note(revision, _Known(environment, report))
        return report

    def _parse(self, revision: str, tree: Path, base: GateReport | None, touched: frozenset[str] | None) -> GateReport:
        reuse = base is not None and base.failure is None and touched is not None
        skip = sorted(base.files.keys() - touched) if reuse and base and touched is not None else []
        request = {
            "do": "parse",
            "tree": str(tree),
            "subdirectory": self._subdirectory,
            "bundle": self._bundle,
            "skip": skip,
            "options": self._options.as_json(),
        }
        report = self._read_answer(GateReport.of, self._ask(request).get("report"))
        fields = {"files": len(report.files), "of": len(report.listed), "seconds": report.seconds}
        log.info("gate.parsed", extra={"revision": revision, **fields, "confined": report.confined})
        return report.over(base) if base else report

    @staticmethod
    def _read_answer(read: Callable[[object], Answer], given: object) -> Answer:
        """Read a part of the gate's answer. DAG code may have taken over the gate, so any part may be wrong.

        Raises GateLost.
        """
        try:
            return read(given)
        except ValueError as error:
            raise GateLost(f"the gate's answer is no valid report: {error}") from error

    def _check(self, tree: Path) -> str | None:
        if not self._options.check:
            return None
        request = {"do": "check", "tree": str(tree), "options": self._options.as_json()}
        done = self._read_answer(CheckReport.of, self._ask(request).get("check"))
        if done.failure is None:
            return None
        command = " ".join(" ".join(self._options.check).split())
        return " | ".join([f"{command}: {done.failure}", *(line[:LONGEST_LINE] for line in done.output)])

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._client.ask(request, self._options.total + self._options.timeout + GRACE_SECONDS)

    def _environment(self, about: object) -> str:
        used = {name: value for name, value in self._options.as_json().items() if name not in ("policy", "check")}
        return _digest([about, used, self._subdirectory, self._bundle])

    def _read(self, revision: str, environment: str | None = None) -> _Known | None:
        """The kept report of a revision, if it is of this environment."""
        file = self._reports / f"{revision}.json"
        try:
            content = json.loads(file.read_text())
            known = _Known(content["environment"], GateReport.of(content["report"]), content["verdicts"])
            os.utime(file)  # marks the report as used; `_write` removes those unused for the longest time
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return known if environment in (None, known.environment) else None

    def _note(self, revision: str, known: _Known) -> None:
        """Keep a report for later. Losing it costs only the time of another parse."""
        try:
            self._write(revision, known)
        except OSError as error:
            log.warning("gate.unnoted", extra={"path": str(error.filename), "error": error.strerror})

    def _write(self, revision: str, known: _Known) -> None:
        self._reports.mkdir(parents=True, exist_ok=True)
        content = {"environment": known.environment, "report": known.report.as_json(), "verdicts": known.verdicts}
        following = self._reports / f".{revision}.next"
        following.write_text(json.dumps(content))
        following.replace(self._reports / f"{revision}.json")
        oldest = sorted(self._reports.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-KEPT]
        for file in oldest:
            file.unlink()


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
