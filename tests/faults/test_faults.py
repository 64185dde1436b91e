"""The fault harness in a short run: a fixed seed, and most faults once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.pool
@pytest.mark.timeout(600)  # pool start, faults, at worst 150 s until all calls end, and pool stop
def test_no_call_is_lost_wrong_or_hung_whatever_dies(release):
    """The harness prints its table and all problems to standard output."""
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
    assert done.returncode == 0, done.stdout.rpartition("\n")[0].rpartition("\n")[2]  # where the journal and logs are
    assert "| all " in done.stdout
