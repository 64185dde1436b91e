"""The benchmarks work: each case is in the table and in the JSON, whatever its numbers are."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = [sys.executable, str(Path(__file__).parents[2] / "benchmarks" / "run.py")]

pytestmark = pytest.mark.pool


@pytest.mark.timeout(300)
def test_each_case_is_measured(release, tmp_path):
    """Few calls, without the peers: this only tests that each case runs."""
    environment = {**os.environ, "PATH": f"{release.bin}:{release.sbin}:{os.environ['PATH']}"}
    listed = subprocess.run([*RUN, "--list"], capture_output=True, text=True, check=True)
    done = subprocess.run(
        [*RUN, "--quick", "--output", str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert {row["case"] for row in rows} == set(listed.stdout.split())
    numbers = [value for row in rows for values in (row["ours"], *row["references"].values()) for value in values]
    assert all(math.isfinite(value) for value in numbers)
    # Long names are broken into lines.
    assert all(row["what"].split()[0] in done.stdout for row in rows)
    assert {path.name for path in tmp_path.glob("*.svg")} == {"goals.svg", "million-flat.svg"}
