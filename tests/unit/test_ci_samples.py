"""The samples for CI call existing programs, with valid arguments."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest
import yaml

from gitsync.airflow.gate.check import add_arguments

CHECKOUT = Path(__file__).parents[2]
SAMPLES = ["examples/ci/github-actions.yaml", "examples/ci/gitlab-ci.yml"]
OURS = [".github/workflows/test.yaml", ".gitlab-ci.yml"]
NO_JOBS = {"default", "stages", "variables"}
"""What else GitLab has at the top of a file."""


@pytest.mark.parametrize("file", SAMPLES)
def test_a_sample_calls_gitsync_check_as_it_is(file: str) -> None:
    text = (CHECKOUT / file).read_text()
    commands = re.findall(r"(?m)^ +(?:- |run: )gitsync check (.*)$", text)
    assert len(commands) == 2
    for command in commands:
        parser = argparse.ArgumentParser(exit_on_error=False)
        add_arguments(parser)
        assert parser.parse_args(shlex.split(command)).subdirectory == "dags"


@pytest.mark.parametrize("file", [*SAMPLES, *OURS])
def test_a_pipeline_is_yaml_with_jobs(file: str) -> None:
    content = yaml.load((CHECKOUT / file).read_text(), yaml.BaseLoader)  # noqa: S506 - `on` is a word
    jobs = content.get("jobs", content)
    steps = [job.get("script", job.get("steps")) for name, job in jobs.items() if name not in NO_JOBS]
    assert all(steps)
    assert (".ci/run" in str(steps)) == (file in OURS)


@pytest.mark.parametrize(
    "file", [*(CHECKOUT / ".github" / "workflows").iterdir(), CHECKOUT / SAMPLES[0]], ids=lambda file: file.name
)
def test_an_action_is_named_by_its_commit(file: Path) -> None:
    """Whoever owns an action can move its tags. The version beside the id is for people, and for Renovate."""
    actions = re.findall(r"uses: (.*)", file.read_text())
    assert actions
    assert [each for each in actions if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []
