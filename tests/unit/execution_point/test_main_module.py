"""A script in a job is imported when a call needs it, and once: see also tests/unit/calls/test_main_script.py."""

from __future__ import annotations

import marshal
import zlib

import pytest
from sandbox import BUNDLE, PYTHON, SECRET, SESSION

from condor_futures.calls.calls_file import Call, write_bundle
from condor_futures.calls.pickling import Pickled, pickle_object
from condor_futures.execution_point.main_module import DEFINITIONS, SCRIPT
from condor_futures.options.ship import Code

pytestmark = pytest.mark.usefixtures("by_value")

TEXT = """
print("imported")
value = 1
def get(): return value, __name__
"""


def names(name: str) -> Pickled:
    """The pickle of a name of the script."""
    return Pickled([f"c__main__\n{name}\n.".encode()])


def run(job, *functions, text=TEXT):
    """Make calls without arguments: of functions, or by the names of functions of the script."""
    files = {f"{SCRIPT}/analysis": (text.encode(), False), DEFINITIONS: (marshal.dumps({}), False)}
    job.install([PYTHON], modules=zlib.compress(marshal.dumps(files)))
    made = [
        Call(
            f"c{number:06d}",
            names(fn) if isinstance(fn, str) else pickle_object(fn, "function"),
            pickle_object(((), {}), "arguments"),
        )
        for number, fn in enumerate(functions)
    ]
    with (job.path / f"{BUNDLE}.calls").open("wb") as file:
        write_bundle(file, made, session=SESSION, bundle=BUNDLE, secret=SECRET, code=Code("0", (), "analysis"))
    job.finish(_CONDOR_SCRATCH_DIR=str(job.path))
    return job.results()


def nothing():
    return None


def test_a_script_is_imported_once_and_by_the_first_call_that_needs_it(job):
    assert run(job, nothing, "get", "get") == [None, (1, "__mp_main__"), (1, "__mp_main__")]
    assert job.stdout == "imported\n"
    assert job.stream("stdout", "c000001") == "imported\n"


def test_a_script_that_no_call_needs_is_not_imported(job):
    assert run(job, nothing) == [None]
    assert job.stdout == ""


@pytest.mark.parametrize("text", ["import no_such_module", "raise SystemExit(3)", "raise KeyboardInterrupt", "1/0"])
def test_whatever_an_import_raises_fails_no_other_call(job, text):
    """The first outcome tells the client why the import failed."""
    error, value = run(job, "get", nothing, text=text)
    assert isinstance(error, AttributeError)
    assert value is None
    assert job.outcomes()["c000000"].header["script"]
    assert "script" not in job.outcomes()["c000001"].header
