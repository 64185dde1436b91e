"""Which scripts jobs import, and which variables they then have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import condor_futures
from condor_futures.calls.main_script import _read

TESTS = Path(__file__).parents[2]


def script(tmp_path, text):
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(text))
    return path


def read(tmp_path, text):
    path = script(tmp_path, text)
    return _read(path, "", path.stat().st_mtime_ns)


@pytest.mark.parametrize(
    "guard",
    [
        "if __name__ == '__main__': main()",
        'if "__main__" == __name__: main()',
        "if __name__ == '__main__' and True: main()",
        "if (__name__ == '__main__'):\n    main()\nelse:\n    y = 2",
    ],
)
def test_a_guard_makes_a_script_importable(tmp_path, guard):
    found = read(tmp_path, f"x = 1\n{guard}\n")
    assert found is not None
    assert found.sets("x")


@pytest.mark.parametrize(
    "text",
    [
        "main()",
        "if __name__ != '__main__': pass",
        "def f():\n    if __name__ == '__main__': pass",
        "if name == '__main__': pass",
        "if __name__ == '__main__' or True: main()",
        "this is not Python",
    ],
)
def test_others_are_not_imported(tmp_path, text):
    """Running them once more could do anything."""
    assert read(tmp_path, text) is None


def test_variables_of_the_guarded_block_are_not_those_of_an_import(tmp_path):
    found = read(
        tmp_path,
        """
        import os.path, sys as system
        from json import dumps as write
        try:
            x, (y, *z) = 1, (2, 3)
        except ValueError as error:
            pass
        for i in []:
            j = [k for k in []]
        with open(__file__) as file:
            late = 1
        def f():
            global ARGS
            inner = 1
        class A:
            attribute = 1
        ARGS = None
        if __name__ == "__main__":
            late = 2
            def guarded(): ...
        """,
    )
    names = "os", "system", "write", "x", "y", "z", "error", "i", "j", "file", "f", "A"
    assert [name for name in names if not found.sets(name)] == []
    assert [
        name for name in ("late", "guarded", "ARGS", "inner", "attribute", "k", "nothing") if found.sets(name)
    ] == []
    assert read(tmp_path, "from json import *\nif __name__ == '__main__': x = 1").sets("dumps")


SCRIPT = """
import argparse, sys, threading, time, typing
from condor_futures import CondorExecutor, JobError, report, shell
import beside
LOCK = threading.Lock()
CACHE = {}
MISSING = object()
STARTED = time.time()
LIMIT = 1
ARGS = None

def locked(x):
    with LOCK: return x + 1
def args(): return ARGS, LATE
def cache(): return CACHE
def started(): return STARTED
def limit(): return LIMIT
def is_missing(x=MISSING): return x is MISSING
def package(): return JobError.__mro__[1].__name__, report(0.5), shell("echo a")().stdout, CondorExecutor is not None
def applies(): return apply(guarded, 3)
def apply(function, x): return function(x)
def counts():
    global LIMIT
    LIMIT += 1
    return LIMIT - 1
class Model:
    scale = 2
    def __init__(self, x): self.x = x
    def get(self): return self.x * self.scale * LIMIT
    def __repr__(self): return f"Model({self.x})"
square = lambda x: x * x
def squared(x): return square(x)
def typed() -> "CondorExecutor | None": return sorted(typing.get_type_hints(typed))
def looked_up(name): return globals()[name](3)
def main():
    global ARGS, LATE
    ARGS = argparse.Namespace(a=1)
    LATE = [1, 2]
    CACHE["k"] = 3

if __name__ == "__main__":
    main()
    LIMIT = 5
    def guarded(x): return -x
    class Inner:
        def __repr__(self): return "Inner"
    def inner(): return Inner()
    from compare import compare
    compare([
        ("a lock", locked, 2),
        ("variables that main() sets", args),
        ("a variable that main() fills", cache),
        ("a variable that differs at each import", started),
        ("a variable that the guarded block sets", limit),
        ("a sentinel", is_missing),
        ("this package", package),
        ("a function of the guarded block", guarded, 3),
        ("a function that uses one of the guarded block", applies),
        ("a class of the guarded block", inner),
        ("a bound method", Model(3).get),
        ("a module that takes an instance", beside.use, Model(2)),
        ("globals()", looked_up, "locked"),
        ("a function as argument", apply, locked, 3),
        ("a lambda of the script", squared, 3),
        ("an instance comes back", Model, 3),
        ("type hints", typed),
        ("a call that sets a variable", counts),
    ])
"""
NAMES = [line.split('"')[1] for line in SCRIPT.splitlines() if line.startswith('        ("')]


def run(*command, directory, places=()):
    path = [*map(str, places), str(TESTS), str(TESTS / "shapes"), str(Path(condor_futures.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def write(directory):
    (directory / "package").mkdir()
    (directory / "package" / "__init__.py").touch()
    (directory / "package" / "program.py").write_text(SCRIPT)
    (directory / "script.py").write_text(SCRIPT)
    (directory / "beside.py").write_text("def use(model): return model.get(), model\n")


@pytest.fixture(scope="module", params=[["script.py"], ["-m", "package.program"]], ids=["script", "module"])
def compared(request, tmp_path_factory):
    """Run the script. By name of a call: its value in a process pool, and in a job."""
    directory = tmp_path_factory.mktemp("script")
    write(directory)
    found, _ = run(*request.param, directory=directory)
    return {name: (pool, job) for name, pool, job in found}


@pytest.mark.parametrize("name", NAMES)
def test_a_script_with_a_guard_is_imported(compared, name):
    """The value beside it is that of a process pool, whose workers are forked."""
    pool, job = compared[name]
    assert job == pool


FAILS = """
import client_only, enum
class Mood(enum.Enum):
    GOOD = 1
class Model:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return type(other) is type(self) and other.x == self.x
    def __repr__(self): return f"Model({self.x})"
def total(x): return double(x) + LIMIT
def double(x): return 2 * x
def many(model): return model, Mood.GOOD, Model(4), globals()["double"](2), [type(model) is Model]
def is_double(function): return function is double
def uses(): return client_only.value()
if __name__ == "__main__":
    LIMIT = 7
    from compare import in_a_job, in_a_pool
    import json
    calls = [("", total, 3), ("", many, Model(2)), ("", is_double, double), ("", lambda x: x + LIMIT, 3)]
    pool = in_a_pool(calls[:3])
    print(json.dumps([pool, in_a_job(calls), in_a_job([("", uses)])]))
"""


def test_where_the_import_fails_the_definitions_come_by_value(tmp_path):
    """One warning names the module; a call that uses the module fails as if it had imported it."""
    place = tmp_path / "site-packages"
    place.mkdir()
    (place / "client_only.py").write_text("def value(): return 1\n")
    (tmp_path / "script.py").write_text(FAILS)
    (pool, job, uses), warnings = run("script.py", directory=tmp_path, places=[place])
    assert job == [*pool, "10"]
    assert uses[0].startswith("ModuleNotFoundError(\"No module named 'client_only'\")")
    assert warnings.count("No module named 'client_only'), so its definitions came by value") == 1


def test_what_the_initializer_and_calls_set_in_the_script_stays(tmp_path):
    """Each call brings the client's values, which count only as long as nothing has been set in the job."""
    (tmp_path / "script.py").write_text("""
STATE, TABLE = "unset", {}
def initialize(value):
    global STATE
    STATE = value
    TABLE["a"] = value
def state(): return STATE, TABLE, LATE
def change():
    global LATE
    LATE += 1
if __name__ == "__main__":
    from pathlib import Path
    from sandbox import Sandbox
    import json, tempfile
    LATE = 1
    with tempfile.TemporaryDirectory() as directory:
        calls = (state,), (change,), (state,), (lambda: state(),)
        print(json.dumps(Sandbox(Path(directory)).run_as_shipped(*calls, initializer=(initialize, "set"))))
""")
    found, _ = run("script.py", directory=tmp_path)
    assert found == [["set", {"a": "set"}, 1], None, ["set", {"a": "set"}, 2], ["set", {"a": "set"}, 2]]


def test_what_others_pickle_by_name_is_found(tmp_path):
    """Libraries pickle functions themselves, and pass bytes."""
    (tmp_path / "script.py").write_text("""
import pickle
def double(x): return 2 * x
def through_main(x):
    import __main__
    return __main__.double(x)
if __name__ == "__main__":
    from compare import in_a_job
    import json, operator
    print(json.dumps(in_a_job([("", pickle.loads, pickle.dumps(double)), ("", through_main, 3)])))
""")
    found, _ = run("script.py", directory=tmp_path)
    assert found[0].startswith("<function double")
    assert found[1] == "6"
