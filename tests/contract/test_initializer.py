"""Calls see what an initializer sets up, wherever their functions come from."""

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

    with CondorExecutor(access_point="personal", warm=0, initializer=initialize, initargs=("set",)) as executor:
        print(executor.submit(state).result(60), *executor.map(lambda _: state(), range(2), chunksize=2))
"""


@pytest.mark.parametrize("where", ["the script", "a module beside it"])
def test_a_global_that_the_initializer_sets_is_seen_by_the_calls(pool, tmp_path, where):
    """Users of ProcessPoolExecutor set up a process so: a connection, a model or a table in a global variable."""
    script = tmp_path / "script.py"
    if where == "the script":
        script.write_text(WORK + MAIN)
    else:
        (tmp_path / "its_module.py").write_text(WORK)
        script.write_text("from its_module import initialize, state\n" + MAIN)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["set", "set", "set"], done.stderr
    assert done.returncode == 0


SETTINGS = """
VALUE = 0
options = {}

def get():
    return VALUE, options.get("a")
"""

USE = """
import settings
from settings import get

def initialize(value):
    settings.VALUE = settings.options["a"] = value

def use(value):
    settings.VALUE += value
    return settings.VALUE, settings.get(), get()

if __name__ == "__main__":
    from condor_futures import CondorExecutor

    with CondorExecutor(access_point="personal", warm=0, initializer=initialize, initargs=(7,)) as executor:
        print(executor.submit(settings.get).result(60), *executor.map(use, [1, 1], chunksize=2))
"""


def test_what_is_set_in_a_module_is_what_its_functions_see(pool, tmp_path):
    """An example is a module with settings that the initializer or a call changes, although the module travels by
    value.
    """
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "script.py").write_text(USE)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "(7, 7) (8, (8, 7), (8, 7)) (9, (9, 7), (9, 7))\n", done.stderr
