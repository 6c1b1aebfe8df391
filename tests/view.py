"""Starts long programs for tests, and shows their output while they run."""

from __future__ import annotations

import subprocess

import pytest

from hack.operate.overlay import CHECKOUT

STDERR = 2
"""A process of pytest-xdist has no standard output of its own."""


def run_in_view(config: pytest.Config, *command: str) -> None:
    """Run a program of the checkout, whose output is shown at once and not with the test. The test fails with it."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        status = subprocess.run(command, cwd=CHECKOUT, stdout=STDERR, check=False).returncode
    if status:
        pytest.fail(f"`{' '.join(command)}` ended with {status}; its output is above", pytrace=False)
