"""A script with neighbours on a pool: in jobs of one call, in warm jobs, and in a DAG without HTCondor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "shapes"))
from projects import DIFFERENT, drawn

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


@pytest.mark.parametrize("seed", [1, 2])
def test_generated_programs_have_the_values_of_a_process_pool_in_jobs(pool, tmp_path, seed):
    """The many programs of this kind, in jobs without HTCondor, are in tests/unit/calls/test_shapes.py."""
    project = drawn(seed)
    found = project.run(tmp_path, SHAPES_IN_JOBS="1", **pool.environment)
    for part, (name, in_a_pool, in_a_job) in zip(project.parts, found, strict=True):
        known = part.kind in DIFFERENT and DIFFERENT[part.kind](part, project, in_a_job)
        assert known or in_a_job == in_a_pool, (name, project)
