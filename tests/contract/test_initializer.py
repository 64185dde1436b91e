"""What an initializer sets up is there for the calls, wherever functions come from."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.pool

WORK = """
STATE = "unset"

def initialize(value):
    global STATE
    STATE = value

def state():
    return STATE
"""

MAIN = """
if __name__ == "__main__":
    from condor_futures import CondorExecutor

    with CondorExecutor(access_point="personal", initializer=initialize, initargs=("set",)) as executor:
        print(executor.submit(state).result(60), *executor.map(lambda _: state(), range(2), chunksize=2))
"""


@pytest.mark.parametrize("where", ["the script", "a module beside it"])
def test_a_global_that_the_initializer_sets_is_seen_by_the_calls(pool, tmp_path, where):
    """It is how one sets up a process of ProcessPoolExecutor: a connection, a model, a table, in a global variable."""
    script = tmp_path / "script.py"
    if where == "the script":
        script.write_text(WORK + MAIN)
    else:
        (tmp_path / "its_module.py").write_text(WORK)
        script.write_text("from its_module import initialize, state\n" + MAIN)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["set", "set", "set"], done.stderr
    assert done.returncode == 0
