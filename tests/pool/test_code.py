"""A script with neighbours on a pool: in jobs of one call, in warm jobs, and in a DAG without HTCondor."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.pool

SCRIPT = """
import enum, logging, sys, tempfile
from pathlib import Path
from condor_futures import CondorExecutor, DagExecutor
import helper
class Mood(enum.Enum):
    GOOD = 1
def work(mood, x):
    import late
    return mood is Mood.GOOD, helper.double(x), late.value(), LIMIT, Mood.GOOD
if __name__ == "__main__":
    LIMIT = 4
    expected = (True, 6, 5, 4, Mood.GOOD)
    with CondorExecutor() as executor:
        first = executor.submit(work, Mood.GOOD, 3)
        unspooled = executor.with_options(spool=False).submit(work, Mood.GOOD, 3)
        shared = executor.submit(work, executor.share(Mood.GOOD), 3)
        assert first.result() == unspooled.result() == shared.result() == expected, first.result()
        executor = executor.with_options(warm=60)
        assert list(executor.map(work, [Mood.GOOD] * 3, [3] * 3)) == [expected] * 3
        Path(helper.__file__).write_text("def double(x): return 0\\n")
        import time
        time.sleep(1.2)
        assert executor.submit(work, Mood.GOOD, 3).result()[1] == 0
    with tempfile.TemporaryDirectory() as directory:
        dag = DagExecutor("work", directory + "/dag")
        node = dag.submit(work, Mood.GOOD, 3)
        dag.run(local=True)
        assert node.result()[1] == 0
    print("well")
"""


def test_a_script_and_its_neighbours_are_imported_in_jobs(pool, tmp_path):
    """A file that changes reaches the jobs of further calls, also where jobs run already."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "helper.py").write_text("def double(x): return 2 * x\n")
    (tmp_path / "late.py").write_text("def value(): return 5\n")
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, **pool.environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("well\n", "")
