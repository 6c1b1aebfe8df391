"""`hack/kube-airflow VERB | head`: a reader that has seen enough is no fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hack.operate.verbs import READER_GONE

PROGRAM = Path(__file__).parents[2] / "hack/kube-airflow"


@pytest.mark.parametrize("words", [["--help"], ["check", "prod"], ["from-helm", "--help"]], ids=" ".join)
def test_a_reader_that_has_gone_is_no_fault(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, PROGRAM, *words], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (READER_GONE, b"")
