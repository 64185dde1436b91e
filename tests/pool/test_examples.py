"""The scripts in examples/ work as documented."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script: str, *options: str, cwd: Path) -> str:
    """Return the output of an example."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *options],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("diamond.py", r"94\.00 \+- 2\.00 GeV\njobs( \d+\.0){4}\n"),
        (
            "shell_pipeline.py",
            r"(.*: \d \w+\n){3}most frequent: rose\nall counted\nCommand .* status 1\.\n.*\ncat: no_s.*\n",
        ),
        ("categories.py", r"squares: 0 1 4 9 16 25\nconnections at once: [12]\n"),
        ("cluster.py", r"pi is about 3\.1\d\d \(jobs (\d+)\.0 to \1\.19\)\n"),
    ],
)
def test_an_example_does_what_it_says(pool, tmp_path, script, expected):
    assert re.fullmatch(expected, run(script, cwd=tmp_path))


RESCUED = r"""condor_submit_dag work.dag
killed in the middle
  c000000: done, 1
  c000001: done, 2
  c000002: failed, the DAGMan job .* was removed: .*
  c000003: failed, a call that this one depends on .*
run again
values: 1 2 4 7
made: first x1 second x1 third x2 fourth x1
"""
SWEPT = r"mass: 91\.\d GeV\nstates: {'done': 13}\npicture: True\n"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["fit_curves.py", "--fits", "20"], r"half-life: 2\.\d\d \+- 0\.\d\d years, from 20 fits\n"),
        (["ising.py", "--temperatures", "3", "--sweeps", "40"], r"(T = [123]\.50: magnetization 0\.\d{3}\n){3}"),
        (["star_images.py", "--images", "3"], r"(field-0\d\.npy: \d+ stars\n){3}"),
        (
            ["early_stopping.py", "--settings", "6"],
            r"\d+ rounds instead of 30\nbest: rate [\d.e-]+, \d+ neurons: \d\d\.\d% of the new points are right\n",
        ),
        (
            ["dag_survey.py", "--local", "--runs", "2"],
            r"states: {'done': 8}\nfactors:( (0\.9|1\.0)\d\d){2}\n",
        ),
    ],
)
def test_an_analysis_of_the_gallery(pool, tmp_path, command, expected):
    """Small, as its size takes time only."""
    assert re.fullmatch(expected, run(*command, "--picture", str(tmp_path / "picture.png"), cwd=tmp_path))
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("command", "expected"),
    [(["dag_rescue.py", "."], RESCUED), (["dag_sweep.py"], SWEPT), (["dag_sweep.py", "--local"], SWEPT)],
)
def test_a_workflow_does_what_it_says(pool, tmp_path, command, expected):
    assert re.fullmatch(expected, run(*command, cwd=tmp_path))
