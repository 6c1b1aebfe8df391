"""Admits a candidate or says why not, and asks the gate only for what is not known yet."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitsync.errors import GateLost
from gitsync.gate.report import Report
from gitsync.gate.verdict import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.gate.client import GateClient
    from gitsync.gate.options import GateOptions

log = logging.getLogger(__name__)

ABOUT_SECONDS = 30.0
GRACE_SECONDS = 30.0
"""Over what the gate itself takes at most."""
KEPT = 50
"""Reports on the volume, one for each revision."""
LOST_AT_MOST = 2
LONGEST_LINE = 300


@dataclass
class _Known:
    """What is known of one revision: one file of ``reports_dir``."""

    environment: str
    """Digest of what the report depends on beside the tree."""
    report: Report
    verdicts: dict[str, str | None] = field(default_factory=dict)
    """By a digest of the base and the options: why it was refused, or None."""


class Gatekeeper:
    """The gate of one source. ``reports_dir`` is its own; trees are read by the gate under the same paths."""

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
        """None when the candidate may be published, else one sentence saying why not.

        ``tree`` and ``base_tree`` are whole trees. ``touched`` holds the DAG files, relative to the DAG folder, whose
        closure differs from the base's; None: all. Raises GateError when there is no answer: the candidate then waits.
        """
        if not self._options.asks:
            return None
        environment = self._environment(self._client.ask({"do": "about"}, ABOUT_SECONDS)["about"])
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
            known, why = _Known(environment, Report(failure=str(error))), f"{error}, {LOST_AT_MOST} times"
        known.verdicts[key] = why
        self._write(revision, known)
        log.info("gate.admitted" if why is None else "gate.refused", extra={"revision": revision, "why": why})
        return why

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

    def _base(self, revision: str | None, tree: Path | None, environment: str) -> Report | None:
        if revision is None:
            return None
        if (known := self._read(revision, environment)) is not None:
            return known.report
        if tree is None:
            return None
        report = self._parse(revision, tree, None, None)
        if report.failure is None:
            self._write(revision, _Known(environment, report))
        return report

    def _parse(self, revision: str, tree: Path, base: Report | None, touched: frozenset[str] | None) -> Report:
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
        report = Report.of(self._ask(request)["report"])
        fields = {"files": len(report.files), "of": len(report.listed), "seconds": report.seconds}
        log.info("gate.parsed", extra={"revision": revision, **fields, "confined": report.confined})
        return report.over(base) if base else report

    def _check(self, tree: Path) -> str | None:
        if not self._options.check:
            return None
        done = self._ask({"do": "check", "tree": str(tree), "options": self._options.as_json()})["check"]
        if done["failure"] is None:
            return None
        command = " ".join(" ".join(self._options.check).split())
        return " | ".join([f"{command}: {done['failure']}", *(line[:LONGEST_LINE] for line in done["output"])])

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._client.ask(request, self._options.total + self._options.timeout + GRACE_SECONDS)

    def _environment(self, about: dict[str, Any]) -> str:
        used = {name: value for name, value in self._options.as_json().items() if name not in ("policy", "check")}
        return _digest([about, used, self._subdirectory, self._bundle])

    def _read(self, revision: str, environment: str) -> _Known | None:
        file = self._reports / f"{revision}.json"
        try:
            content = json.loads(file.read_text())
            known = _Known(content["environment"], Report.of(content["report"]), content["verdicts"])
            os.utime(file)  # the last ones used are kept
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return known if known.environment == environment else None

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
