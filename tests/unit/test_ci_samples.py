"""The samples for CI call what is there, with arguments that it takes."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest
import yaml

from gitsync.gate.check import add_arguments

CHECKOUT = Path(__file__).parents[2]
SAMPLES = ["examples/ci/github-actions.yaml", "examples/ci/gitlab-ci.yml"]
OURS = [".github/workflows/test.yaml", ".gitlab-ci.yml"]


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
    steps = [job.get("script", job.get("steps")) for name, job in jobs.items() if name != "stages"]
    assert all(steps)
    assert (".ci/run" in str(steps)) == (file in OURS)
