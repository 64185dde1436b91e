"""The harness, for as long as there is time for: a fixed seed, every fault once or twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.pool
@pytest.mark.timeout(600)  # the pool starts, the faults, 150 s for all calls to end at worst, and the pool stops
def test_no_call_is_lost_wrong_or_hung_whatever_dies(release):
    """Its table, and what is not well, is on standard output."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--seed", "5", "--minutes", "3"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0
    assert "| all " in done.stdout
