"""Prints which suites are running while tests run in several processes, and at the end the time of each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.suites import suite_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.terminal import TerminalReporter

QUIET = 15.0
"""Seconds between two lines about what is running."""


@dataclass
class Suite:
    """What is known of one suite; times in seconds."""

    tests: int = 0
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    """Of all its tests together, what they wait for included."""
    began: float | None = None
    ended: float = 0.0
    slowest: tuple[float, str] = (0.0, "")

    @property
    def running(self) -> bool:
        return self.began is not None and self.done < self.tests


class Account:
    """A plugin of the process that collects the results of the others."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._suites: dict[str, Suite] = {}
        self._began = self._said = time.monotonic()

    @property
    def _terminal(self) -> TerminalReporter:
        found: TerminalReporter = self._config.pluginmanager.getplugin("terminalreporter")
        return found

    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        if self._suites:
            return  # each process collects the same
        for test in ids:
            self._suites.setdefault(suite_of(test), Suite()).tests += 1
        self._began = self._said = time.monotonic()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        name = suite_of(nodeid)
        suite = self._suites[name]
        if suite.began is None:
            suite.began = time.monotonic()
            started = sum(each.began is not None for each in self._suites.values())
            self._say("▸", f"tests/{name}: {suite.tests} tests, suite {started} of {len(self._suites)}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        suite = self._suites[suite_of(report.nodeid)]
        suite.seconds += report.duration
        suite.slowest = max(suite.slowest, (report.duration, f"{report.nodeid} ({report.when})"))
        if report.failed:
            suite.failed += 1
            self._say("✗", f"{report.nodeid} ({report.when})")
        if report.when == "teardown":
            self._finish(suite_of(report.nodeid), suite)

    def _finish(self, name: str, suite: Suite) -> None:
        suite.done += 1
        if suite.done == suite.tests:
            suite.ended = time.monotonic()
            self._say("✗" if suite.failed else "✓", f"tests/{name}: {suite.tests} tests in {took(suite):.0f} s")
        elif time.monotonic() - self._said > QUIET:
            running = (f"{name} {each.done} of {each.tests}" for name, each in self._suites.items() if each.running)
            self._say("…", ", ".join(running))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """A test that passed is counted and says nothing; one that failed has had its line."""
        if report.failed:
            return ("failed", "", "FAILED") if report.when == "call" else ("error", "", "ERROR")
        return ("passed", "", "") if report.passed and report.when == "call" else None

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        terminalreporter.section("suites")
        terminalreporter.write_line("suite          tests   began   ended  seconds of tests  slowest")
        for name, suite in self._suites.items():
            if suite.began is not None:
                terminalreporter.write_line(self._row(name, suite))

    def _row(self, name: str, suite: Suite) -> str:
        slowest, test = suite.slowest
        began = (suite.began or self._began) - self._began
        times = f"{began:7.0f} {began + took(suite):7.0f} {suite.seconds:17.0f}"
        return f"{name:<12} {suite.tests:>7} {times}  {slowest:.1f} {test.removeprefix(f'tests/{name}/')}"

    def _say(self, mark: str, text: str) -> None:
        self._said = time.monotonic()
        self._terminal.ensure_newline()
        self._terminal.write_line(f"{mark} [{self._said - self._began:6.1f}s] {text}")


def took(suite: Suite) -> float:
    """Return the seconds from a suite's first test to its last, or until now."""
    return (suite.ended or time.monotonic()) - (suite.began or time.monotonic())
